// The definition of the products of narrow.h: simple loops. A panel is one output's weights; rows and panels
// of int8 begin with their step.
#ifndef VMOE_F64

#include "tensor/kernels/narrow_codes.h"
#include "tensor/kernels/narrow_tables.h"

namespace vmoe {
namespace {

constexpr int64_t kStepBytes = sizeof(float);

// What a product writes at (i, j).
float finished(const NarrowGemm& g, int64_t i, int64_t j, float y) {
  if (g.bias) y += g.bias[j];
  return g.base ? g.base[i * g.c_row + j] + y : y;
}

// --- int8 ---

int64_t int8_row_bytes(int64_t k) {
  return kStepBytes + (k + 3) / 4 * 4;
}

void int8_encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i, x += x_row, rows += int8_row_bytes(k)) {
    int32_t most = 0;
    for (int64_t p = 0; p < k; ++p) {
      if (magnitude_bits(x[p]) > most) most = magnitude_bits(x[p]);
    }
    const Step step = step_of(most);
    put(rows, 0, step.step);
    for (int64_t p = 0; p < k; ++p) put(rows + kStepBytes, p, int8_code(x[p], step.inverse));
  }
}

void int8_pack(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  int8_encode(n, k, w, w_row, packed);
}

void int8_gemm(const NarrowGemm& g) {
  const int64_t bytes = int8_row_bytes(g.k);
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      const std::byte *x = g.a + i * bytes, *w = g.b + j * bytes;
      int32_t sum = 0;
      for (int64_t p = 0; p < g.k; ++p)
        sum += int32_t{get<int8_t>(x + kStepBytes, p)} * get<int8_t>(w + kStepBytes, p);
      const float y = static_cast<float>(sum) * (get<float>(x, 0) * get<float>(w, 0));
      g.c[i * g.c_row + j] = finished(g, i, j, y);
    }
  }
}

// --- bfloat16 ---

int64_t bf16_row_bytes(int64_t k) {
  return (k + 1) / 2 * 4;
}

// Element (i, p) at x[i * x_row + p * x_column].
void bf16_codes(int64_t m, int64_t k, const float* x, int64_t x_row, int64_t x_column, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i, x += x_row, rows += bf16_row_bytes(k)) {
    for (int64_t p = 0; p < k + k % 2; ++p) put(rows, p, p < k ? bf16_code(x[p * x_column]) : uint16_t{0});
  }
}

void bf16_encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  bf16_codes(m, k, x, x_row, 1, rows);
}

void bf16_encode_transposed(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  bf16_codes(m, k, x, 1, x_row, rows);
}

void bf16_pack(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  bf16_codes(n, k, w, w_row, 1, packed);
}

void bf16_pack_transposed(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  bf16_codes(n, k, w, 1, w_row, packed);
}

void bf16_gemm(const NarrowGemm& g) {
  const int64_t bytes = bf16_row_bytes(g.k);
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      const std::byte *x = g.a + i * bytes, *w = g.b + j * bytes;
      const auto product = [=](int64_t p) {
        return bf16_value(get<uint16_t>(x, p)) * bf16_value(get<uint16_t>(w, p));
      };
      // 1, 0, 3, 2, ...: as one chain, since GCC 12 makes a wrong vector loop of two additions to one float.
      float sum = 0;
      for (int64_t p = 0; p < g.k + g.k % 2; ++p) sum += product(p ^ 1);
      g.c[i * g.c_row + j] = finished(g, i, j, sum);
    }
  }
}

}  // namespace

const NarrowKernels kInt8_plain = {
    .name = "plain",
    .companion = "plain",
    .precision = Precision::int8,
    .faster_than_fp32 = false,
    .panel = 1,
    .row_bytes = int8_row_bytes,
    .panel_bytes = int8_row_bytes,
    .pack = int8_pack,
    .encode = int8_encode,
    .gemm = int8_gemm,
};

const NarrowKernels kBf16_plain = {
    .name = "plain",
    .companion = "plain",
    .precision = Precision::bf16,
    .faster_than_fp32 = false,
    .panel = 1,
    .row_bytes = bf16_row_bytes,
    .panel_bytes = bf16_row_bytes,
    .pack = bf16_pack,
    .encode = bf16_encode,
    .gemm = bf16_gemm,
    .pack_transposed = bf16_pack_transposed,
    .encode_transposed = bf16_encode_transposed,
};

}  // namespace vmoe

#endif
