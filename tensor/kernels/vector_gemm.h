#pragma once
// Matrix product with a packed right factor (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053): a
// block of kRows x kPanel results stays in registers while one panel of B streams through the first-level
// cache.

#include "tensor/kernels/kernels.h"
#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

constexpr int kPanel = 2 * kWidth;
constexpr int kRows = kVectorBytes == 64 ? 12 : 6;  // 2 * kRows sums and 3 operands fit the registers
constexpr int64_t kRowBlock = 8 * kRows;            // rows of A that stay in the second-level cache

// Not std::min: a template of the library would be compiled here for a wide set and might serve other files.
inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

// out[j * out_row + i] = x[i * x_row + j] for 4 x 4 numbers.
inline void transpose_4x4(const float* x, int64_t x_row, float* out, int64_t out_row) {
  Quad r[4];
  for (int i = 0; i < 4; ++i) std::memcpy(&r[i], x + i * x_row, sizeof r[i]);
  const Quad a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
             b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
  const Quad c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7),
             d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  const Quad columns[4] = {
      __builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
      __builtin_shufflevector(c, d, 0, 1, 4, 5), __builtin_shufflevector(c, d, 2, 3, 6, 7)};
  for (int j = 0; j < 4; ++j) std::memcpy(out + j * out_row, &columns[j], sizeof(Quad));
}

void transpose(int64_t rows, int64_t columns, const float* x, int64_t x_row, float* out, int64_t out_row) {
  const int64_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (int64_t j = 0; j < whole_columns; j += 4) {
    for (int64_t i = 0; i < whole_rows; i += 4)
      transpose_4x4(x + i * x_row + j, x_row, out + j * out_row + i, out_row);
    for (int64_t i = whole_rows; i < rows; ++i) {
      for (int64_t c = j; c < j + 4; ++c) out[c * out_row + i] = x[i * x_row + c];
    }
  }
  for (int64_t j = whole_columns; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) out[j * out_row + i] = x[i * x_row + j];
  }
}

void pack(int64_t k, int64_t n, const float* b, int64_t b_row, int64_t b_column, float* packed) {
  for (int64_t j = 0; j < n; j += kPanel, packed += k * kPanel) {
    const int64_t columns = smaller(kPanel, n - j);
    if (columns < kPanel) std::memset(packed, 0, k * kPanel * sizeof(float));
    if (b_row == 1) {
      transpose(columns, k, b + j * b_column, b_column, packed, kPanel);
    } else if (b_column == 1) {
      for (int64_t p = 0; p < k; ++p)
        std::memcpy(packed + p * kPanel, b + p * b_row + j, columns * sizeof(float));
    } else {
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t c = 0; c < columns; ++c) packed[p * kPanel + c] = b[p * b_row + (j + c) * b_column];
      }
    }
  }
}

// C [R x columns] of one panel; every sum runs over p = 0 .. k-1 in order, whatever R and columns are.
template <int R>
inline void block(const Gemm& g, const float* a, const float* panel, float* c, int64_t columns,
                  const float* bias) {
  Vec acc[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) acc[r][0] = acc[r][1] = Vec{};
  for (int64_t p = 0; p < g.k; ++p, a += g.a_column, panel += kPanel) {
    const Vec b0 = load(panel), b1 = load(panel + kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec x = splat(a[r * g.a_row]);
      acc[r][0] += x * b0;
      acc[r][1] += x * b1;
    }
  }
  for (int h = 0; h < 2 && h * kWidth < columns; ++h) {
    const int64_t width = smaller(kWidth, columns - h * kWidth);
    const Vec shift = !bias             ? Vec{}
                      : width == kWidth ? load(bias + h * kWidth)
                                        : load_part(bias + h * kWidth, width);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      float* at = c + r * g.c_row + h * kWidth;
      const Vec y = acc[r][h] + shift;
      if (width == kWidth) {
        store(at, g.add ? load(at) + y : y);
      } else {
        store_part(at, g.add ? load_part(at, width) + y : y, width);
      }
    }
  }
}

template <int R = kRows>
inline void block_of(int64_t rows, const Gemm& g, const float* a, const float* panel, float* c,
                     int64_t columns, const float* bias) {
  if (rows == R) return block<R>(g, a, panel, c, columns, bias);
  if constexpr (R > 1) block_of<R - 1>(rows, g, a, panel, c, columns, bias);
}

void gemm(const Gemm& g) {
  for (int64_t first = 0; first < g.m; first += kRowBlock) {
    const int64_t last = smaller(g.m, first + kRowBlock);
    for (int64_t j = 0; j < g.n; j += kPanel) {
      for (int64_t i = first; i < last; i += kRows) {
        block_of<>(smaller(kRows, last - i), g, g.a + i * g.a_row, g.b + j * g.k, g.c + i * g.c_row + j,
                   smaller(kPanel, g.n - j), g.bias ? g.bias + j : nullptr);
      }
    }
  }
}

}  // namespace
}  // namespace vmoe
