#pragma once
// How sure a difference between two models is that were tested on the same images.

#include <cstdint>
#include <span>
#include <vector>

namespace vmoe {

/// Means in percentage points.
struct Difference {
  double mean = 0;
  double low = 0, high = 0;  // 95 % interval of `mean` over draws of test images
};

/// The paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, percentile method).
/// a[s], b[s] [n]: 1 where the model of seed s is right on image i, else 0; as many seeds in both, at least
/// one (Error(internal) otherwise). An image is drawn with what all models said of it, so that images that
/// are hard for all of them do not widen the interval:
///   d_i = mean over s of a[s][i] - b[s][i];  mean = 100 mean of d_i
///   low, high = the 2.5 % and 97.5 % quantiles of the mean of n draws with replacement, 2000 times
/// It says nothing of other seeds; their spread does. The same bits everywhere.
Difference paired_difference(std::span<const std::vector<uint8_t>> a, std::span<const std::vector<uint8_t>> b,
                             uint64_t seed = 0);

}  // namespace vmoe
