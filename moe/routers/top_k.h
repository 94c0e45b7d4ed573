#pragma once
// What routers share that send each unit to the k experts of its largest probabilities.

#include "moe/routers/table.h"

namespace vmoe {

/// Throws Error naming the image (and token) if a logit [T, E] is not finite.
void require_finite_logits(Tensor logits, const RouterSettings& settings);

/// The k experts with the largest probability [T, E] of each unit, best first, as [T, K]; a tie goes to the
/// lower expert. With Choice::even those that the unit's number names.
View<const int> choose_top_k(Tape& tape, Tensor probabilities, const RouterSettings& settings);

/// The gates [A] of a routing whose logits and probabilities are set:
///   gate_e = p_e                                    raw, or with settings.renormalise
///   gate_e = p_e / sum of p_j over the chosen j     which is the softmax of the chosen logits
Var top_k_gates(Tape& tape, const Routing& routing, const RouterSettings& settings);

}  // namespace vmoe
