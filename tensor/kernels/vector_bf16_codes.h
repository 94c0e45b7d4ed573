#pragma once
// Rows and panels of bfloat16 with AVX-512 BF16, from matrices that lie either way. The unit is a pair of
// neighbours in p, the lower one in the lower half of 32 bits:
//
//   row    [pairs], a missing last one being zero
//   panel  [pairs][kPanel outputs], missing outputs being zero
//
// so a panel is the transpose of rows in units of pairs, and two neighbouring rows of a transposed matrix,
// number by number beside each other, are a row of a panel.

#include <immintrin.h>

#include "tensor/kernels/vector_narrow.h"
#include "tensor/kernels/vector_transpose.h"

namespace vmoe {
namespace {

using Pairs = int32_t __attribute__((vector_size(kVectorBytes)));  // each two bfloat16

int64_t row_bytes(int64_t k) {
  return (k + 1) / 2 * 4;
}

int64_t panel_bytes(int64_t k) {
  return row_bytes(k) * kPanel;
}

inline Vec load_some(const float* p, int64_t count) {
  return count >= kWidth ? load(p) : load_part(p, count);
}

// The row of x [k].
inline void encode_row(int64_t k, const float* x, std::byte* row) {
  for (int64_t p = 0; p < k; p += kWidth) {
    const __m256bh codes = _mm512_cvtneps_pbh((__m512)load_some(x + p, k - p));
    std::memcpy(row + 2 * p, &codes, static_cast<size_t>(2 * smaller(kWidth, k - p)));
  }
  if (k % 2 != 0) put(row, k, uint16_t{0});
}

void encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i) encode_row(k, x + i * x_row, rows + i * row_bytes(k));
}

void pack(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  constexpr int64_t kDepth =
      128;  // numbers of an output's weights that are encoded before they are transposed
  alignas(kVectorBytes) std::byte rows[kPanel * kDepth * 2];
  for (int64_t j = 0; j < n; j += kPanel, packed += panel_bytes(k)) {
    const int64_t outputs = smaller(kPanel, n - j);
    if (outputs < kPanel) std::memset(packed, 0, panel_bytes(k));
    for (int64_t p = 0; p < k; p += kDepth) {
      const int64_t depth = smaller(kDepth, k - p);
      for (int64_t c = 0; c < outputs; ++c) encode_row(depth, w + (j + c) * w_row + p, rows + c * kDepth * 2);
      transpose(outputs, (depth + 1) / 2, reinterpret_cast<const float*>(rows), kDepth / 2,
                reinterpret_cast<float*>(packed + p / 2 * kPanel * 4), kPanel);
    }
  }
}

// Pairs of x[i] and x[i + x_row], of `rows` (1 or 2) rows and `count` <= kWidth columns.
inline Pairs pairs_of(const float* x, int64_t x_row, int64_t rows, int64_t count) {
  const auto codes = [](Vec v) {
    return _mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)_mm512_cvtneps_pbh((__m512)v));
  };
  const Vec low = load_some(x, count), high = rows > 1 ? load_some(x + x_row, count) : Vec{};
  return (Pairs)_mm512_or_si512(codes(low), _mm512_maskz_slli_epi32(0xffff, codes(high), 16));
}

void pack_transposed(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  for (int64_t j = 0; j < n; j += kPanel) {
    for (int64_t p = 0; p < k; p += 2) {
      for (int64_t c = j; c < j + kPanel; c += kWidth, packed += kVectorBytes) {
        put(packed, 0, c < n ? pairs_of(w + p * w_row + c, w_row, k - p, n - c) : Pairs{});
      }
    }
  }
}

void encode_transposed(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  constexpr int64_t kDepth = 64;  // pairs
  alignas(kVectorBytes) std::byte panel[kDepth * kVectorBytes];
  for (int64_t i = 0; i < m; i += kWidth) {
    for (int64_t p = 0; p < k; p += 2 * kDepth) {
      const int64_t pairs = smaller(kDepth, (k - p + 1) / 2);
      for (int64_t q = 0; q < pairs; ++q)
        put(panel, q, pairs_of(x + (p + 2 * q) * x_row + i, x_row, k - p - 2 * q, m - i));
      transpose(pairs, smaller(kWidth, m - i), reinterpret_cast<const float*>(panel), kWidth,
                reinterpret_cast<float*>(rows + i * row_bytes(k) + 2 * p), row_bytes(k) / 4);
    }
  }
}

}  // namespace
}  // namespace vmoe
