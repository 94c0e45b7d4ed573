#pragma once
// The parts of a report's page. Each is HTML of its own, or empty where the report has nothing to show.

#include <string>
#include <vector>

#include "train/report/report.h"
#include "train/statistics.h"

namespace vmoe {

/// Number of experts that the report knows of, from its division, heat map or examples; 0 for none.
int experts_of(const StudyReport& report);
/// Classes by super-class, each in rising order. Without super-classes all are in one group.
std::vector<std::vector<int>> groups_of(const StudyReport& report);

std::string expert_name(int expert);
/// "cat, dog and 3 more"; not escaped.
std::string class_list(const StudyReport& report, const std::vector<int>& classes, size_t most);
/// Class names beside a matrix are shortened to so many letters; the widest of them, as text_width counts.
constexpr int kNameLetters = 16;
double widest_name(const StudyReport& report, int letters, double font);

/// How strong the colour of a share (0 .. 1) is: its square root, so that 1 % shows.
double shade_of(double share);
/// Which colour is which share.
std::string shade_key();
/// An arm's mark, for a line of text.
std::string mark(int arm);

// headline.cpp: the result in a sentence or two
std::string headline(const StudyReport& report);
std::string top1_text(const ReportArm& arm);           // "61.34 ± 0.42 %"
std::string seeds_text(const ReportArm& arm);          // "3 seeds"
bool has_interval(const ReportDifference& d);          // it was measured
std::string interval_text(const ReportDifference& d);  // "−0.35 to +1.20"
const char* verdict_text(const ReportDifference& d);   // "better than"

// costs.cpp: one mark an arm, one colour an arm in all plots
std::string accuracy_by_flops(const StudyReport& report);
std::string accuracy_by_latency(const StudyReport& report);

// curves.cpp
std::string loss_curves(const StudyReport& report);
std::string holdout_curves(const StudyReport& report);
std::string legend(const StudyReport& report);  // which mark is which arm

// tables.cpp
std::string arm_table(const StudyReport& report);
std::string difference_table(const StudyReport& report);

// confusion.cpp
std::string confusion_matrix(const StudyReport& report);
std::string largest_confusions(const StudyReport& report);

// experts.cpp
std::string heat_map(const StudyReport& report);
std::string example_images(const StudyReport& report);

// style.cpp
extern const char* const kReportStyle;

}  // namespace vmoe
