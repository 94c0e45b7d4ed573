#pragma once
// Attention over tokens in place of a class token.

#include "nn/linear.h"

namespace vmoe {

/// Sequence pooling of CCT (Hassani et al. 2021, arXiv:2104.05704, equation 4): x [B, T, D] -> [B, D],
///   y[b] = sum over t of softmax_t(attention_pool(x[b]))[t] * x[b, t].
/// Parameters attention_pool.weight [1, D] and attention_pool.bias [1].
struct SequencePool {
  Linear attention_pool;

  SequencePool(ParameterStore& store, int64_t dim) : attention_pool(store, "attention_pool", dim, 1) {}
  Var forward(Pass& pass, Var x) const;
};

}  // namespace vmoe
