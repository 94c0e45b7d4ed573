#pragma once
// What arms with experts start from: super-classes, and copies of a dense model.

#include <string>
#include <vector>

#include "data/dataset.h"
#include "moe/config.h"
#include "moe/super_classes.h"
#include "train/checkpoint.h"

namespace vmoe {

/// Super-classes, one an expert, by what the confusion matrix [N, N] says, with at most 2 N / E classes in
/// each: an expert of more would have most of the images.
Clustering capped_clusters(const std::vector<double>& confusion, const std::vector<std::string>& classes,
                           int experts, ClusterMethod method);
/// The same from what the baseline confuses on the images that it held out. Throws what evaluation and
/// clustering throw.
Clustering divide_by_confusion(const LoadedModel& baseline, const Dataset& dataset, int experts,
                               ClusterMethod method, int threads);

/// Writes the mixture whose experts are copies of the dense model's MLPs (moe/upcycle.h).
void save_upcycled(const LoadedModel& dense, const MoeConfig& mixture, uint64_t seed,
                   const std::string& file);

}  // namespace vmoe
