#pragma once
// Keeping all experts busy where no super-class says who is for whom.

#include <cstdint>
#include <vector>

#include "moe/model.h"

namespace vmoe {

/// How many units each expert got in a step, for every decision of a model (one for images, one for the
/// tokens of each MoE block). The load of one step is the f of the next one's balance loss, and so part of a
/// run's state. Whole numbers: sums don't depend on the order of lanes.
class ExpertLoad {
 public:
  /// Nothing counted yet. Empty for a model without balance loss.
  explicit ExpertLoad(const ModelConfig& config);

  void clear();
  /// Counts the decisions for one chunk.
  void add(const Model::Output& output);
  void add(const ExpertLoad& other);

  /// f by expert [E]: the shares of a decision's assignments, which sum to 1; 1/E while nothing was counted.
  void shares(int decision, Tensor f) const;

  /// The counts, decision by decision. To set others, there must be as many; none stands for zeros.
  const std::vector<int64_t>& counts() const { return counts_; }
  bool set_counts(const std::vector<int64_t>& counts);

 private:
  int experts_;
  std::vector<int64_t> counts_;  // [decisions, E]
};

/// The balance loss of one chunk, weight included, as its share of the batch's: over all decisions the sum of
///   balance_weight * E * sum_e f_e * mean over the batch's units of p_e
/// (Fedus et al. 2021, arXiv:2101.03961, equations 4 to 6; 1 if balanced, up to E if one expert has all) with
/// f the load of the step before: a constant, so that chunks can be computed one by one, and no lane waits
/// for the others. Its gradient reaches the routers through p alone and moves probability away from busy
/// experts. None if the model has no balance loss. `batch` is the number of images in the whole batch.
Var balance_loss(Tape& tape, const Model::Output& output, const MoeConfig& config, const ExpertLoad& before,
                 int64_t batch);

}  // namespace vmoe
