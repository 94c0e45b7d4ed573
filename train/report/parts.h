#pragma once
// The parts of a report's page. Each is HTML of its own, or empty where the report has nothing to show.

#include <string>
#include <vector>

#include "train/report/report.h"

namespace vmoe {

/// Mean and sample standard deviation (NaN below two values) of the values that are finite.
struct Spread {
  double mean, deviation;
  int count;
};
Spread spread_of(const std::vector<double>& values);

/// Number of experts that the report knows of, from its division, heat map or examples; 0 for none.
int experts_of(const StudyReport& report);
/// Classes by super-class, each in rising order. Without super-classes all are in one group.
std::vector<std::vector<int>> groups_of(const StudyReport& report);

// charts.cpp: one mark an arm, one colour an arm in all of them
std::string accuracy_by_flops(const StudyReport& report);
std::string accuracy_by_latency(const StudyReport& report);
std::string loss_curves(const StudyReport& report);
std::string holdout_curves(const StudyReport& report);

// tables.cpp
std::string headline(const StudyReport& report);  // the result in a sentence or two
std::string arm_table(const StudyReport& report);
std::string difference_table(const StudyReport& report);
std::string legend(const StudyReport& report);  // which mark is which arm
std::string mark(int arm);                      // an arm's mark, for a line of text

// classes.cpp
std::string confusion_matrix(const StudyReport& report);
std::string largest_confusions(const StudyReport& report);
std::string heat_map(const StudyReport& report);
std::string example_images(const StudyReport& report);

// style.cpp
extern const char* const kReportStyle;

}  // namespace vmoe
