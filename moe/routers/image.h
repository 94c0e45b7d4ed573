#pragma once
// The router of Mobile V-MoE (Daxberger et al. 2023, arXiv:2309.04354): whole images to experts.

#include "moe/routers/table.h"

namespace vmoe {

/// The decision for B images: x [B, D] is one vector for each, W [E, D]. No capacity, nothing is dropped.
///   z = W x                    logits of an image, no bias
///   p = softmax(z)
///   chosen = top-k of p        ties go to the lower expert
///   gate_e = p_e               for the chosen experts: sums to at most 1; with --renormalise
///   gate_e = p_e / sum_j p_j   over the chosen j: sums to 1
/// Gradient of raw gates, with u_e = <dy, expert e's output> for chosen experts and 0 for others:
///   dz_e = p_e (u_e - sum_j p_j u_j)
/// so that logits of experts that were not chosen learn as well. Renormalised gates have the same with the
/// gates for p, and 0 for experts that were not chosen: with k = 1 the gate is the constant 1, and the router
/// learns nothing from what experts do.
/// Throws Error naming the image if a logit is not finite.
const Routing& route_images(Tape& tape, Var x, Var weight, const RouterSettings& settings);

}  // namespace vmoe
