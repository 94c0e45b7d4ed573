#include "moe/loss.h"

#include <algorithm>

#include "autograd/ops.h"

namespace vmoe {

namespace {

// [B, N] -> [B, E]
Tensor super_targets(Tape& tape, Tensor targets, const MoeConfig& config) {
  const int64_t images = targets.dim(0), classes = targets.dim(1), experts = config.experts;
  const Tensor q = tape.allocate({images, experts});
  std::fill(q.begin(), q.end(), real{0});
  for (int64_t b = 0; b < images; ++b) {
    for (int64_t n = 0; n < classes; ++n)
      q[b * experts + config.super_classes[n]] += targets[b * classes + n];
  }
  return q;
}

}  // namespace

Loss loss_of(Tape& tape, const Model::Output& output, Tensor targets, const MoeConfig& config, int64_t batch,
             const ExpertLoad& before) {
  const auto part = [&](Var logits, Tensor target, double weight) {
    return scale(tape, softmax_cross_entropy(tape, logits, target),
                 static_cast<real>(weight / static_cast<double>(batch)));
  };
  Loss loss;
  loss.total = loss.classes = part(output.logits, targets, 1);
  if (output.router_logits && !config.super_classes.empty()) {
    loss.router = part(output.router_logits, super_targets(tape, targets, config), config.super_class_weight);
    loss.total = add(tape, loss.classes, loss.router);
  }
  loss.balance = balance_loss(tape, output, config, before, batch);
  if (loss.balance) loss.total = add(tape, loss.total, loss.balance);
  return loss;
}

}  // namespace vmoe
