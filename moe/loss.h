#pragma once
// What training minimises.

#include "moe/balance.h"

namespace vmoe {

/// The loss of one chunk, as its share of the batch's mean: the chunks of a batch add up to
///   mean over images of CE(logits, target) + weight * CE(router logits, q)
/// with q[e] = sum of target[n] over the classes n of super-class e, so that soft targets (label smoothing,
/// mixup) are soft for the router as well (Daxberger et al. 2023, arXiv:2309.04354: weight 0.3), and to the
/// balance loss (moe/balance.h).
struct Loss {
  Var total;    // a scalar, shape []
  Var classes;  // the classifier's part
  Var router;   // the router's part, weight included; none without super-classes
  Var balance;  // weight included; none without balance loss
};

/// targets [B, N], rows sum to 1; `batch` is the number of images in the whole batch, `before` the load of
/// the experts in the step before it.
Loss loss_of(Tape& tape, const Model::Output& output, Tensor targets, const MoeConfig& config, int64_t batch,
             const ExpertLoad& before);

}  // namespace vmoe
