#pragma once
// Figures of a sample.

#include <vector>

namespace vmoe {

/// The middle one (of an even number, the mean of the two in the middle). `values` is not empty.
double median(std::vector<double> values);

/// The value below which `share` (0 to 1) of the rising, not empty `sorted` lies: one of them, the lower of two.
double quantile(const std::vector<double>& sorted, double share);

struct MeanDeviation {
  double mean, deviation;  // of a sample (n - 1); NaN for too few values: none, or one
  int count;
};
/// Of the finite ones among the values.
MeanDeviation mean_deviation(const std::vector<double>& values);

}  // namespace vmoe
