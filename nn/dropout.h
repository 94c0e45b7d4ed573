#pragma once
// Dropout and drop path. Both are the identity outside training and at rate 0.

#include "nn/pass.h"

namespace vmoe {

/// Dropout (Srivastava et al. 2014): every number becomes 0 with probability `rate`, the others are divided
/// by 1 - rate. x [B, ...] holds B images; `layer` tells apart the places of a model that drop.
Var dropout(Pass& pass, Var x, double rate, int layer);

/// The same for x [A, ...] that holds pieces of the chunk's images in some order, `per_image` equal pieces an
/// image: row a is piece[a], counted through all images, and drops what it would drop within its image.
Var dropout(Pass& pass, Var x, double rate, int layer, View<const int> piece, int64_t per_image = 1);

/// Drop path, or stochastic depth (Huang et al. 2016, arXiv:1603.09382): a whole image's residual branch
/// becomes 0 with probability `rate`, the others are divided by 1 - rate. x [B, ...].
Var drop_path(Pass& pass, Var x, double rate, int layer);

}  // namespace vmoe
