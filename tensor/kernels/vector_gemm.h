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
// Of a block: kDepth x kPanel numbers, 28 KiB of AVX2 in the first-level cache, 56 KiB of AVX-512 in the second.
constexpr int64_t kDepth = 448;
constexpr int64_t kRowBlock = 20 * kRows;   // rows of A that stay in the second-level cache
constexpr int64_t kCopiedRows = 4 * kRows;  // the same where A must be copied first

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

// While a block computes, it asks for rows of the panel that comes next and for its results' places, so that
// both stream in from wherever they are. Wide vectors want them spread over the block: many at a time leave
// no room for what is needed now. Narrow ones want them first, for there a loop with breaks costs more.
constexpr bool kSpread = kVectorBytes == 64;
constexpr int64_t kFewTerms = 8;  // computed between two looks ahead, at least

// Blocks of C one below the other: `depth` terms of each of their sums. A row of A is at distance a_row from
// the next, its numbers at a_column. `ahead_rows` rows at `ahead` are asked for, again after each
// `ahead_each` terms.
struct Strip {
  int64_t depth;
  const float* a;
  int64_t a_row, a_column;
  int64_t a_block;  // from one block's first number to the next one's
  const float* panel;
  float* c;
  int64_t c_row, columns;
  const float* base;  // added, rows like C's (may be C); or null
  const float* bias;  // of these columns, or null
  const float* ahead;
  int64_t ahead_block;  // from what one block asks for to what the next one does
  int64_t ahead_each, ahead_rows;
};

// R rows of V vectors: C = sums + bias (+ base). `get` and `put` know how many numbers the last vector has.
template <int R, int V, class Get, class Put>
[[gnu::always_inline]] inline void write(const Vec (&sums)[R][V], const Strip& s, const Get& get,
                                         const Put& put) {
  Vec shift[V] = {};
  if (s.bias) {
    for (int h = 0; h < V; ++h) shift[h] = get(s.bias, h);
  }
  float* c = s.c;
  if (s.base) {
    const float* base = s.base;
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r, c += s.c_row, base += s.c_row) {
      for (int h = 0; h < V; ++h) put(c, h, get(base, h) + (sums[r][h] + shift[h]));
    }
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r, c += s.c_row) {
      for (int h = 0; h < V; ++h) put(c, h, sums[r][h] + shift[h]);
    }
  }
}

// One block of R rows and V vectors.
template <int R, int V>
[[gnu::always_inline]] inline void block(const Strip& s) {
  Vec sums[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    for (int h = 0; h < V; ++h) sums[r][h] = Vec{};
  }
  // Rows are reached by fours, from a pointer each: registers would not hold an offset for every row.
  const float *a[(R + 3) / 4], *panel = s.panel, *ahead = s.ahead;
#pragma GCC unroll 16
  for (int r = 0; r < R; r += 4) a[r / 4] = s.a + r * s.a_row;
  const auto add_term = [&]() __attribute__((always_inline)) {
    const Vec b0 = load(panel), b1 = load(panel + (V - 1) * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec x = splat(a[r / 4][r % 4 * s.a_row]);
      sums[r][0] += x * b0;
      if constexpr (V > 1) sums[r][1] += x * b1;
    }
#pragma GCC unroll 16
    for (int i = 0; i < (R + 3) / 4; ++i) a[i] += s.a_column;
    panel += kPanel;
  };
  const auto ask_for_panel = [&]() __attribute__((always_inline)) {
    __builtin_prefetch(ahead, 0, 2);
    __builtin_prefetch(ahead + kWidth, 0, 2);
    ahead += kPanel;
  };
  const float* c = s.c;
  const auto ask_for_results = [&]() __attribute__((always_inline)) {
    __builtin_prefetch(c, 1);
    __builtin_prefetch(c + (V - 1) * kWidth, 1);
    c += s.c_row;
  };
  if constexpr (kSpread) {
    for (int64_t p = 0; p < s.depth;) {
      for (int64_t i = 0; i < s.ahead_rows; ++i) ask_for_panel();
      if (c != s.c + R * s.c_row) ask_for_results();
      for (const int64_t end = smaller(s.depth, p + s.ahead_each); p < end; ++p) add_term();
    }
  } else {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) ask_for_results();
    for (int64_t p = 0; p < s.depth; ++p) {
      if (p < s.ahead_rows) ask_for_panel();
      add_term();
    }
  }
  const int64_t last = s.columns - (V - 1) * kWidth;
  if (last == kWidth) {
    write(
        sums, s, [](const float* p, int h) { return load(p + h * kWidth); },
        [](float* p, int h, Vec v) { store(p + h * kWidth, v); });
  } else {
    write(
        sums, s,
        [=](const float* p, int h) {
          return h < V - 1 ? load(p + h * kWidth) : load_part(p + h * kWidth, last);
        },
        [=](float* p, int h, Vec v) {
          h < V - 1 ? store(p + h * kWidth, v) : store_part(p + h * kWidth, v, last);
        });
  }
}

// `blocks` of R rows.
template <int R, int V>
[[gnu::noinline]] void strip(int64_t blocks, const Strip& whole) {
  Strip s = whole;
  for (int64_t i = 0; i < blocks; ++i) {
    block<R, V>(s);
    s.a += s.a_block;
    s.c += R * s.c_row;
    if (s.base) s.base += R * s.c_row;
    s.ahead += s.ahead_block;
  }
}

template <int R = kRows>
inline void strip_of(int64_t rows, int64_t blocks, const Strip& s) {
  if (rows == R) return s.columns > kWidth ? strip<R, 2>(blocks, s) : strip<R, 1>(blocks, s);
  if constexpr (R > 1) strip_of<R - 1>(rows, blocks, s);
}

// Rows are cut evenly: a block of few rows computes few sums side by side and waits for each multiply-add.
// First come blocks of `rows` each, then, if rows don't come out even, some of one row less.
struct Cut {
  explicit Cut(int64_t all)
      : blocks((all + kRows - 1) / kRows),
        rows((all + blocks - 1) / blocks),
        high(all - blocks * (rows - 1)) {}
  int64_t first(int64_t i) const { return i * rows - (i > high ? i - high : 0); }
  int64_t rows_of(int64_t i) const { return i < high ? rows : rows - 1; }
  int64_t blocks, rows, high;
};

// `depth` columns of a row block of A, a block of the cut after the other with the numbers of one column side
// by side.
void copy_rows(const Cut& cut, int64_t depth, const float* a, int64_t a_row, int64_t a_column, float* copy) {
  for (int64_t p = 0; p < depth; ++p, a += a_column) {
    float* to = copy + p * kRows;
    for (int64_t i = 0; i < cut.blocks; ++i, to += depth * kRows) {
      const int64_t first = cut.first(i), rows = cut.rows_of(i);
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
      const float* a = g.a + first * g.a_row + p * g.a_column;
      if (copied) copy_rows(cut, depth, a, g.a_row, g.a_column, copy);
      // Each block asks for its share of a panel's rows; a narrow one for all of it at once.
      const int64_t each = !kSpread ? depth + 1 : cut.blocks < kFewTerms ? kFewTerms : cut.blocks;
      const int64_t ahead_rows = (each + cut.blocks - 1) / cut.blocks;
      for (int64_t j = 0; j < g.n; j += kPanel) {
        const float* panel = g.b + j * g.k + p * kPanel;
        const float* next = j + kPanel < g.n ? panel + kPanel * g.k
                            : d + 1 < depths ? g.b + (p + depth) * kPanel
                                             : panel;
        Strip s{.depth = depth,
                .a = copied ? copy : a,
                .a_row = copied ? 1 : g.a_row,
                .a_column = copied ? kRows : g.a_column,
                .a_block = copied ? depth * kRows : cut.rows * g.a_row,
                .panel = panel,
                .c = g.c + first * g.c_row + j,
                .c_row = g.c_row,
                .columns = smaller(kPanel, g.n - j),
                .base = base ? base + first * g.c_row + j : nullptr,
                .bias = d == 0 && g.bias ? g.bias + j : nullptr,
                .ahead = next,
                .ahead_block = (depth + each - 1) / each * ahead_rows * kPanel,
                .ahead_each = each,
                .ahead_rows = ahead_rows};
        strip_of<>(cut.rows, cut.high, s);
        if (cut.high == cut.blocks) continue;
        const int64_t row = cut.first(cut.high);
        s.a = copied ? copy + cut.high * depth * kRows : a + row * g.a_row;
        s.a_block -= copied ? 0 : g.a_row;
        s.c += row * g.c_row;
        if (base) s.base += row * g.c_row;
        s.ahead += cut.high * s.ahead_block;
        strip_of<>(cut.rows - 1, cut.blocks - cut.high, s);
      }
    }
  }
}

}  // namespace
}  // namespace vmoe
