#pragma once
// Where a token sits in its image.

#include <vector>

#include "nn/config.h"
#include "nn/pass.h"

namespace vmoe {

/// Adds a vector to every token: x [B, T, D] -> [B, T, D], the same for all images.
///   learned  parameter pos_embed [1, T, D] (truncated normal, deviation 0.02), the class token included
///   sincos   the fixed table below, zeros for the class token
///   none     x passes through
struct PositionEmbedding {
  ParamId learned;
  std::vector<real> fixed;  // [T, D], empty unless sincos
  int64_t tokens, dim;

  PositionEmbedding(ParameterStore& store, const VitConfig& config);
  Var forward(Pass& pass, Var x) const;
};

/// Two-dimensional sine and cosine positions of a side x side grid as in MAE (He et al. 2022,
/// arXiv:2111.06377): row (y * side + x) holds sin(x w_i), cos(x w_i), sin(y w_i), cos(y w_i), a quarter of D
/// each, with w_i = 10000^(-i / (D/4)). D is a multiple of 4. [side * side, D]
std::vector<double> sincos_positions(int side, int dim);

}  // namespace vmoe
