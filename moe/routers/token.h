#pragma once
// The router of V-MoE (Riquelme et al. 2021, arXiv:2106.05974): every token to experts of its own, decided
// anew in every MoE block. The comparison to the router of whole images; as there nothing is dropped, so that
// the two differ in the unit alone: no capacity, no noise.

#include "moe/routers/table.h"

namespace vmoe {

/// The decision for T tokens x [T, D], the class token included: what the block's experts would read.
/// Equations, gradients and errors are those of `route_images`.
const Routing& route_tokens(Tape& tape, Var x, Var weight, const RouterSettings& settings);

}  // namespace vmoe
