#pragma once
// The hold-out: part of the training images on which a run chooses its best model.

#include <cstdint>
#include <vector>

namespace vmoe {

struct Holdout {
  std::vector<int64_t> train,
      holdout;  // indices into the training split, sorted, disjoint, together all of it
};

/// Stratified: of every class the rounded `fraction` of its images, but at least one of a class with two or
/// more, and never all. A class with one image keeps it for training; fraction 0 holds out nothing. labels[i]
/// in 0 .. classes - 1; 0 <= fraction < 1 (UsageError otherwise). A pure function of its arguments.
Holdout split_holdout(const std::vector<int>& labels, int classes, double fraction, uint64_t seed = 0);

}  // namespace vmoe
