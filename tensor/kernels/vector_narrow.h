#pragma once
// What the fast products of narrow.h have in common: the tile of vector_gemm.h (kRows x kPanel sums stay in
// registers while one panel of B streams through the first-level cache) and the walk over a product. The file
// that includes this defines `row_bytes`, `panel_bytes` and `block`.

#include "tensor/kernels/narrow_codes.h"
#include "tensor/kernels/narrow_tables.h"
#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

constexpr int kPanel = 2 * kWidth;
constexpr int kRows = kVectorBytes == 64 ? 12 : 6;  // 2 * kRows sums and 3 operands fit the registers
constexpr int64_t kRowBlock = 8 * kRows;            // rows of A that stay in the second-level cache

int64_t row_bytes(int64_t k);
int64_t panel_bytes(int64_t k);

/// Where the results of one tile go.
struct Tile {
  float* c;
  int64_t c_row;
  int64_t columns;    // of the panel, at most kPanel
  const float* bias;  // of these columns, or null
  const float* base;  // added after it, rows like C's; or null
};

/// C [R x columns] of the rows at `a` and one panel.
template <int R>
inline void block(int64_t k, const std::byte* a, const std::byte* panel, const Tile& tile);

/// Writes y (+ bias) (+ base) [R x columns].
template <int R>
inline void write(const Vec (&y)[R][2], const Tile& tile) {
  for (int h = 0; h < 2 && h * kWidth < tile.columns; ++h) {
    const int64_t at = h * kWidth, width = smaller(kWidth, tile.columns - at);
    const bool whole = width == kWidth;
    const Vec shift = !tile.bias ? Vec{} : whole ? load(tile.bias + at) : load_part(tile.bias + at, width);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec sum = tile.bias ? y[r][h] + shift : y[r][h];
      float* c = tile.c + r * tile.c_row + at;
      const float* base = tile.base ? tile.base + r * tile.c_row + at : nullptr;
      if (whole) {
        store(c, base ? load(base) + sum : sum);
      } else {
        store_part(c, base ? load_part(base, width) + sum : sum, width);
      }
    }
  }
}

template <int R = kRows>
inline void block_of(int64_t rows, int64_t k, const std::byte* a, const std::byte* panel, const Tile& tile) {
  if (rows == R) return block<R>(k, a, panel, tile);
  if constexpr (R > 1) block_of<R - 1>(rows, k, a, panel, tile);
}

void gemm(const NarrowGemm& g) {
  for (int64_t first = 0; first < g.m; first += kRowBlock) {
    // Blocks of equal height, rather than full ones and a low one that would wait for its few sums.
    const int64_t rows = smaller(g.m - first, kRowBlock), blocks = (rows + kRows - 1) / kRows;
    for (int64_t j = 0; j < g.n; j += kPanel) {
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t i = first + rows * b / blocks, end = first + rows * (b + 1) / blocks;
        block_of<>(end - i, g.k, g.a + i * row_bytes(g.k), g.b + j / kPanel * panel_bytes(g.k),
                   {.c = g.c + i * g.c_row + j,
                    .c_row = g.c_row,
                    .columns = smaller(kPanel, g.n - j),
                    .bias = g.bias ? g.bias + j : nullptr,
                    .base = g.base ? g.base + i * g.c_row + j : nullptr});
      }
    }
  }
}

}  // namespace
}  // namespace vmoe
