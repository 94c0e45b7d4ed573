#pragma once
// Sparse upcycling: a mixture of experts made from a trained dense model (Komatsuzaki et al. 2023,
// arXiv:2212.05055). Every expert starts as a copy of the dense MLP, so that the mixture starts where the
// dense model stopped, and training only has to make the experts differ.

#include <cstdint>

#include "moe/model.h"

namespace vmoe {

struct UpcycleOptions {
  /// Normal noise on each expert's weights (biases stay), its deviation this share of the root mean square of
  /// the weight matrix. 0: exact copies, which differ only once different images have reached them.
  double perturb = 0;
  uint64_t seed = 0;  // of the noise and of all that is drawn
};

/// Sets every parameter of `mixture`: blocks.i.moe.experts.* are E copies of blocks.i.mlp.*; what the dense
/// model has under the same name is taken over; the rest (the router) is drawn as in a fresh model. Both must
/// have the same transformer (Error(internal) otherwise).
///
/// Without noise, and where the gates of an image sum to 1, the logits are those of the dense model: the same
/// bits with one expert an image, up to rounding with more. Raw softmax gates sum to less, which scales the
/// output of the experts.
void upcycle(const Model& dense, Model& mixture, const UpcycleOptions& options);

}  // namespace vmoe
