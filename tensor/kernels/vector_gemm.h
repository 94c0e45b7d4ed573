#pragma once
// Matrix product with a packed right factor (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053): a
// block of kRows x kPanel results stays in registers while one panel of B streams through the first-level
// cache.

#include "tensor/kernels/kernels.h"
#include "tensor/kernels/vector_transpose.h"

namespace vmoe {
namespace {

constexpr int kPanel = 2 * kWidth;
constexpr int kRows = kVectorBytes == 64 ? 12 : 6;  // 2 * kRows sums and 3 operands fit the registers
constexpr int64_t kDepth = 448;  // of a block: kDepth x kPanel numbers stay in the first-level cache
constexpr int64_t kRowBlock = 20 * kRows;   // rows of A that stay in the second-level cache
constexpr int64_t kCopiedRows = 4 * kRows;  // the same where A must be copied first

// Not std::min: a template of the library would be compiled here for a wide set and might serve other files.
inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

void pack(int64_t k, int64_t n, const float* b, int64_t b_row, int64_t b_column, float* packed) {
  for (int64_t j = 0; j < n; j += kPanel, packed += k * kPanel) {
    const int64_t columns = smaller(kPanel, n - j);
    if (b_column == 1) {
      const float* from = b + j;
      if (columns == kPanel) {
        for (int64_t p = 0; p < k; ++p, from += b_row) {
          store(packed + p * kPanel, load(from));
          store(packed + p * kPanel + kWidth, load(from + kWidth));
        }
      } else {
        const int64_t first = smaller(kWidth, columns), second = columns - first;
        for (int64_t p = 0; p < k; ++p, from += b_row) {
          store(packed + p * kPanel, load_part(from, first));
          store(packed + p * kPanel + kWidth, load_part(from + first, second));
        }
      }
      continue;
    }
    if (columns < kPanel) std::memset(packed, 0, k * kPanel * sizeof(float));
    if (b_row == 1) {
      transpose(columns, k, b + j * b_column, b_column, packed, kPanel);
    } else {
      for (int64_t p = 0; p < k; ++p) {
        for (int64_t c = 0; c < columns; ++c) packed[p * kPanel + c] = b[p * b_row + (j + c) * b_column];
      }
    }
  }
}

// One block of C: `depth` terms of each of its sums. A row of A is at distance a_row from the next, its
// numbers at a_column. While it computes, `ahead_rows` rows at `ahead` of the panel that comes next are asked
// for, so that panels stream in from wherever they are instead of being waited for one by one.
struct Block {
  int64_t depth;
  const float* a;
  int64_t a_row, a_column;
  const float* panel;
  float* c;
  int64_t c_row, columns;
  const float* base;  // added, rows like C's (may be C); or null
  const float* bias;  // of these columns, or null
  const float* ahead;
  int64_t ahead_rows;
};

// R rows of V vectors.
template <int R, int V>
inline void block(const Block& g) {
  Vec acc[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < V; ++h) {
      acc[r][h] = Vec{};
      __builtin_prefetch(g.c + r * g.c_row + h * kWidth, 1);
    }
  }
  // Rows are reached by fours, from a pointer each: registers would not hold an offset for every row.
  const float *a[(R + 3) / 4], *panel = g.panel, *ahead = g.ahead;
#pragma GCC unroll 16
  for (int r = 0; r < R; r += 4) a[r / 4] = g.a + r * g.a_row;
  for (int64_t p = 0; p < g.depth; ++p, panel += kPanel) {
    if (p < g.ahead_rows) {
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + kWidth, 0, 2);
      ahead += kPanel;
    }
    const Vec b0 = load(panel), b1 = load(panel + (V - 1) * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec x = splat(a[r / 4][r % 4 * g.a_row]);
      acc[r][0] += x * b0;
      if constexpr (V > 1) acc[r][1] += x * b1;
    }
#pragma GCC unroll 16
    for (int i = 0; i < (R + 3) / 4; ++i) a[i] += g.a_column;
  }
  for (int h = 0; h < V; ++h) {
    const int64_t width = smaller(kWidth, g.columns - h * kWidth);
    const Vec shift = !g.bias           ? Vec{}
                      : width == kWidth ? load(g.bias + h * kWidth)
                                        : load_part(g.bias + h * kWidth, width);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const int64_t at = r * g.c_row + h * kWidth;
      const Vec y = acc[r][h] + shift;
      if (width == kWidth) {
        store(g.c + at, g.base ? load(g.base + at) + y : y);
      } else {
        store_part(g.c + at, g.base ? load_part(g.base + at, width) + y : y, width);
      }
    }
  }
}

template <int R = kRows>
inline void block_of(int64_t rows, const Block& g) {
  if (rows == R) return g.columns > kWidth ? block<R, 2>(g) : block<R, 1>(g);
  if constexpr (R > 1) block_of<R - 1>(rows, g);
}

// Rows are cut evenly: a block of few rows computes few sums side by side and waits for each multiply-add.
struct Cut {
  explicit Cut(int64_t rows) : blocks((rows + kRows - 1) / kRows) {
    for (int64_t i = 0; i <= blocks; ++i) first[i] = rows * i / blocks;
  }
  int64_t rows(int64_t i) const { return first[i + 1] - first[i]; }
  int64_t blocks;
  int64_t first[kRowBlock / kRows + 1];
};

// `depth` columns of a row block of A, a block of the cut after the other with the numbers of one column side
// by side.
void copy_rows(const Cut& cut, int64_t depth, const float* a, int64_t a_row, int64_t a_column, float* copy) {
  for (int64_t p = 0; p < depth; ++p, a += a_column) {
    float* to = copy + p * kRows;
    for (int64_t i = 0; i < cut.blocks; ++i, to += depth * kRows) {
      const int64_t first = cut.first[i], rows = cut.rows(i);
      if (a_row == 1 && rows == kRows) {
        std::memcpy(to, a + first, kRows * sizeof(float));
      } else if (a_row == 1 && kRows <= kWidth) {
        store_part(to, load_part(a + first, rows), rows);
      } else {
        for (int64_t r = 0; r < rows; ++r) to[r] = a[(first + r) * a_row];
      }
    }
  }
}

// A is read as it lies, but for a transposed A that overflows the second-level cache, or the first in a wide
// product: there every panel would fetch its scattered rows anew.
bool worth_copying(const Gemm& g) {
  if (g.a_column == 1) return false;
  const int64_t span = g.k * g.a_column;
  return g.a_row != 1 || span > (1 << 17) || (span > (1 << 13) && g.n > 16 * kPanel);
}

// Sums run over blocks of at most kDepth terms: those of the first block, then the others' added to what C
// holds.
void gemm(const Gemm& g) {
  alignas(kVectorBytes) float copy[kCopiedRows * kDepth];
  const bool copied = worth_copying(g);
  const int64_t most_rows = copied ? kCopiedRows : kRowBlock;
  const int64_t depths = g.k > 0 ? (g.k + kDepth - 1) / kDepth : 1;  // a sum of no terms is zero
  for (int64_t first = 0; first < g.m; first += most_rows) {
    const Cut cut(smaller(most_rows, g.m - first));
    for (int64_t d = 0; d < depths; ++d) {
      const int64_t p = g.k * d / depths, depth = g.k * (d + 1) / depths - p;
      const float* base = d > 0 || (g.add && !g.base) ? g.c : g.base;
      const int64_t share = (depth + cut.blocks - 1) / cut.blocks;  // of the next panel, for every block
      const float* a = g.a + first * g.a_row + p * g.a_column;
      if (copied) copy_rows(cut, depth, a, g.a_row, g.a_column, copy);
      for (int64_t j = 0; j < g.n; j += kPanel) {
        const float* panel = g.b + j * g.k + p * kPanel;
        const bool another =
            !copied && j + kPanel < g.n;  // copied rows: panels were just packed and are near
        for (int64_t i = 0; i < cut.blocks; ++i) {
          const int64_t row = cut.first[i], from = smaller(i * share, depth);
          block_of<>(cut.rows(i), {.depth = depth,
                                   .a = copied ? copy + i * depth * kRows : a + row * g.a_row,
                                   .a_row = copied ? 1 : g.a_row,
                                   .a_column = copied ? kRows : g.a_column,
                                   .panel = panel,
                                   .c = g.c + (first + row) * g.c_row + j,
                                   .c_row = g.c_row,
                                   .columns = smaller(kPanel, g.n - j),
                                   .base = base ? base + (first + row) * g.c_row + j : nullptr,
                                   .bias = d == 0 && g.bias ? g.bias + j : nullptr,
                                   .ahead = panel + kPanel * (g.k + from),
                                   .ahead_rows = another ? smaller(share, depth - from) : 0});
        }
      }
    }
  }
}

}  // namespace
}  // namespace vmoe
