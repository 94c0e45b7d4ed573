#pragma once
// How sure a difference between two models is that were trained with the same seeds and tested on the same
// images.

#include <cstdint>
#include <span>
#include <vector>

namespace vmoe {

/// Means in percentage points.
struct Difference {
  double mean = 0;
  double low = 0, high = 0;  // 95 % interval of `mean` over draws of seeds and test images
  int seeds = 0;             // 1: the interval tells of the test images alone
};

/// The paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, percentile method)
/// over both things that were chance: the seed, and which images were in the test set (both resampled at
/// once: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007, which finds it cautious).
/// a[s], b[s] [n]: 1 where the model of seed s is right on image i, else 0; S seeds in both, at least one
/// (Error(internal) otherwise).
///   d_si = a[s][i] - b[s][i];  mean = 100 mean of d_si
///   low, high = the 2.5 % and 97.5 % quantiles of the mean over S seeds and n images drawn with replacement,
///   2000 times
/// Images that are hard for all models do not widen it. With one seed it tells of the images alone, and
/// another seed may say otherwise; with two or three it is rough. The same bits everywhere.
Difference paired_difference(std::span<const std::vector<uint8_t>> a, std::span<const std::vector<uint8_t>> b,
                             uint64_t seed = 0);

}  // namespace vmoe
