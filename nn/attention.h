#pragma once
// Multi-head self-attention.

#include <string>

#include "autograd/ops.h"
#include "nn/linear.h"

namespace vmoe {

/// y = proj(attention(qkv(x))): x [B, T, D] -> [B, T, D] (Vaswani et al. 2017, arXiv:1706.03762). The
/// parameters are NAME.qkv [3 D, D], query, key and value one below the other, and NAME.proj [D, D], each
/// with a bias.
struct Attention {
  Linear qkv, proj;
  int heads;  // H divides D

  Attention(ParameterStore& store, const std::string& name, int64_t dim, int heads);
  Var forward(Pass& pass, Var x) const;
  /// x + y(norm(x)) as one op.
  Var branch(Pass& pass, NormInputs norm, Var x) const;
};

}  // namespace vmoe
