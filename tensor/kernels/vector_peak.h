#pragma once
// The most multiply-adds that the vectors of one instruction set can do: what a product is measured against.

#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

// Two units of four cycles latency (eight where a multiplication and an addition follow each other) are kept
// busy by this many chains, and they fit the registers with both operands and a temporary.
constexpr int kChains = 12;

// Every chain is a recurrence with operands that the compiler does not know, and starts elsewhere than the
// others do: nothing can be left out, rearranged, or computed once for all.
int64_t multiply_adds(int64_t rounds, float factor, float term, float* total) {
  const Vec scale = splat(factor), shift = splat(term);
  Vec x[kChains];
  for (int c = 0; c < kChains; ++c) x[c] = splat(static_cast<float>(c));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int c = 0; c < kChains; ++c) x[c] = x[c] * scale + shift;
  }
  for (int c = 0; c < kChains; ++c) *total += sum(x[c]);
  return int64_t{2} * kChains * kWidth * rounds;
}

}  // namespace
}  // namespace vmoe
