// The bfloat16 product of AVX-512 BF16: VDPBF16PS multiplies pairs of neighbours in p and adds them to an
// fp32 sum, whatever the rounding mode, denormal results becoming zero (Intel's Architecture Instruction Set
// Extensions, 319433). Neither vector extensions nor GCC know bfloat16 arithmetic, hence the intrinsics.
#ifndef VMOE_F64

#include "tensor/kernels/vector_bf16_codes.h"

namespace vmoe {
namespace {

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
    .pack_transposed = pack_transposed,
    .encode_transposed = encode_transposed,
};

}  // namespace vmoe

#endif
