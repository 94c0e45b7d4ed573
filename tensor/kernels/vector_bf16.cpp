// The bfloat16 product of AVX-512 BF16: VDPBF16PS multiplies pairs of neighbours in p and adds them to an
// fp32 sum, whatever the rounding mode, denormal results becoming zero (Intel's Architecture Instruction Set
// Extensions, 319433). Neither vector extensions nor GCC know bfloat16 arithmetic, hence the intrinsics.
#ifndef VMOE_F64

#include <immintrin.h>

#include "tensor/kernels/vector_narrow.h"

namespace vmoe {
namespace {

using Pairs = int32_t __attribute__((vector_size(kVectorBytes)));  // each two bfloat16

// --- Rows: codes, padded with a zero to whole pairs. Panels: pairs of p, per output one ---

int64_t row_bytes(int64_t k) {
  return (k + 1) / 2 * 4;
}

int64_t panel_bytes(int64_t k) {
  return row_bytes(k) * kPanel;
}

void encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i, x += x_row, rows += row_bytes(k)) {
    const auto store_codes = [&](int64_t p, Vec v, int64_t count) {
      const __m256bh codes = _mm512_cvtneps_pbh((__m512)v);
      std::memcpy(rows + 2 * p, &codes, static_cast<size_t>(2 * count));
    };
    int64_t p = 0;
    for (; p + kWidth <= k; p += kWidth) store_codes(p, load(x + p), kWidth);
    if (p < k) store_codes(p, load_part(x + p, k - p), k - p);
    if (k % 2 != 0) put(rows, k, uint16_t{0});
  }
}

void pack(int64_t k, int64_t n, const float* w, std::byte* packed) {
  for (int64_t j = 0; j < n; j += kPanel, packed += panel_bytes(k)) {
    std::memset(packed, 0, panel_bytes(k));
    for (int64_t c = 0; c < kPanel && j + c < n; ++c) {
      for (int64_t p = 0; p < k; ++p)
        put(packed, (p / 2 * kPanel + c) * 2 + p % 2, bf16_code(w[(j + c) * k + p]));
    }
  }
}

// --- The product ---

inline Vec multiply_add(Vec sum, Pairs x, Pairs w) {
  return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)w);
}

template <int R>
inline void block(int64_t k, const std::byte* a, const std::byte* panel, const Tile& tile) {
  const int64_t a_row = row_bytes(k);
  Vec acc[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = Vec{};
  for (int64_t p = 0; p < k; p += 2, a += 4, panel += 4 * kPanel) {
    const Pairs w0 = get<Pairs>(panel, 0), w1 = get<Pairs>(panel, 1);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Pairs x = get<int32_t>(a + r * a_row, 0) - Pairs{};
      acc[r][0] = multiply_add(acc[r][0], x, w0);
      acc[r][1] = multiply_add(acc[r][1], x, w1);
    }
  }
  write(acc, tile);
}

}  // namespace

const NarrowKernels kBf16_avx512_bf16 = {
    .name = "avx512_bf16",
    .companion = "avx512",
    .precision = Precision::bf16,
    .faster_than_fp32 = false,
    .panel = kPanel,
    .row_bytes = row_bytes,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .encode = encode,
    .gemm = gemm,
};

}  // namespace vmoe

#endif
