#pragma once
// The figures of a study: every arm over its seeds, and beside the dense model.

#include <optional>
#include <string>
#include <vector>

#include "train/study/bootstrap.h"
#include "train/study/results.h"

namespace vmoe {

struct ArmSummary {
  std::string name, meaning;
  std::vector<int> seeds;    // rising
  std::vector<double> top1;  // by seed, 0 to 1
  double mean = 0;           // of top1
  double spread = 0;         // its standard deviation over seeds (n - 1); 0 for one seed
  /// Of the first seed; experts and bytes: means over seeds; times: too, until they are measured anew, all
  /// arms in turn, with the first seed's models.
  ArmResult figures;
  std::optional<Difference> to_dense;  // over the seeds that both have; none for dense itself
};

/// Two arms on the seeds that both have.
struct Comparison {
  std::string arm, to;
  Difference difference;  // above 0: `arm` is better
};

/// The paired difference of two arms; none without a seed in common.
std::optional<Difference> difference(const std::vector<ArmResult>& arm, const std::vector<ArmResult>& to);

/// Summarises the results of one arm (at least one) beside those of the dense one, which may be none.
ArmSummary summarise(const std::string& name, const std::string& meaning, std::vector<ArmResult> results,
                     const std::vector<ArmResult>& dense);

}  // namespace vmoe
