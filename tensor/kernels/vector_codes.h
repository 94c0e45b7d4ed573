#pragma once
// Vectors of codes: the largest magnitude of a row, and the low bytes of whole numbers. Internal to each file
// that includes it, as narrow_codes.h is.

#include "tensor/kernels/narrow_codes.h"
#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

using Ints = int32_t __attribute__((vector_size(kVectorBytes)));

/// `magnitude_bits` of the number in x [n] that has the most; 0 of none.
inline int32_t largest_magnitude(int64_t n, const float* x) {
  Ints most{};
  const auto take = [&](Vec v) {
    const Ints bits = reinterpret_cast<Ints>(v) & 0x7fffffff;
    most = bits > most ? bits : most;
  };
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) take(load(x + i));
  if (i < n) take(load_part(x + i, n - i));
  int32_t result = 0;
  for (int lane = 0; lane < kWidth; ++lane) result = most[lane] > result ? most[lane] : result;
  return result;
}

/// The low byte of every number. (GCC takes a conversion to bytes apart into single numbers.)
inline auto low_bytes(Ints v) {
#if defined(__AVX512F__)
  return _mm512_maskz_cvtepi32_epi8(0xffff, (__m512i)v);
#elif defined(__AVX2__)
  using AllBytes = uint8_t __attribute__((vector_size(kVectorBytes)));
  const auto bytes = reinterpret_cast<AllBytes>(v);
  return __builtin_shufflevector(bytes, bytes, 0, 4, 8, 12, 16, 20, 24, 28);
#else
  using Bytes = uint8_t __attribute__((vector_size(kWidth)));
  return __builtin_convertvector(v, Bytes);
#endif
}

}  // namespace
}  // namespace vmoe
