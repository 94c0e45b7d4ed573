#pragma once
// Codes of the products by tiles (vector_tiles.h): rows and weights in whole tile rows of 64 bytes, zeros
// behind the last number, and how sums of codes become results.
//
// A tile of weights holds 16 outputs of one step in k: its row q is, output by output, the four bytes at 4 q
// of the step, which are four int8 or two bf16.

#include "tensor/kernels/narrow_tables.h"
#include "tensor/kernels/vector_codes.h"
#include "tensor/kernels/vector_transpose.h"

namespace vmoe {
namespace {

constexpr int kTileRows = 16;
constexpr int64_t kTileRowBytes = 64;
constexpr int64_t kTileBytes = kTileRows * kTileRowBytes;
constexpr int kPanel = 2 * kTileRows;  // outputs

/// Rows: [codes][their step, in a cache line of its own so that all rows begin at one]. Panels:
/// [tiles][steps].
struct Int8Format {
  using Code = int8_t;
  using Scale = Step;
  static constexpr int64_t kRowTail = kTileRowBytes;
  static constexpr int64_t kPanelTail = kPanel * sizeof(float);

  static Scale scale_of(int64_t k, const float* x) { return step_of(largest_magnitude(k, x)); }
  static void put_scale(std::byte* tail, int64_t index, Scale scale) { put(tail, index, scale.step); }
  static void encode(Vec x, Scale scale, std::byte* to) {
    const Vec shifted = x * scale.inverse + kRounder;
    const auto codes = low_bytes(reinterpret_cast<Ints>(shifted));
    std::memcpy(to, &codes, kWidth);
  }

  template <class Tiles, class C, class A, class B>
  static void add(Tiles& tiles, C sums, A rows, B weights) {
    tiles.add_int8(sums, rows, weights);
  }
  /// `column` is that of the first sum.
  static Vec result(const std::byte* sums, const std::byte* row_tail, const std::byte* panel_tail,
                    int64_t column) {
    const Vec steps = get<Vec>(panel_tail + column * sizeof(float), 0);
    return __builtin_convertvector(get<Ints>(sums, 0), Vec) * (get<float>(row_tail, 0) * steps);
  }
};

/// Rows: [codes]. Panels: [tiles].
struct Bf16Format {
  using Code = uint16_t;
  struct Scale {};
  static constexpr int64_t kRowTail = 0;
  static constexpr int64_t kPanelTail = 0;

  static Scale scale_of(int64_t, const float*) { return {}; }
  static void put_scale(std::byte*, int64_t, Scale) {}
  static void encode(Vec x, Scale, std::byte* to) {
#if defined(__AVX512BF16__)
    const __m256bh codes = _mm512_cvtneps_pbh((__m512)x);
    std::memcpy(to, &codes, sizeof codes);
#else
    for (int lane = 0; lane < kWidth; ++lane) put(to, lane, bf16_code(x[lane]));
#endif
  }

  template <class Tiles, class C, class A, class B>
  static void add(Tiles& tiles, C sums, A rows, B weights) {
    tiles.add_bf16(sums, rows, weights);
  }
  static Vec result(const std::byte* sums, const std::byte*, const std::byte*, int64_t) {
    return get<Vec>(sums, 0);
  }
};

// --- Rows and panels of either format ---

/// Numbers in one row of a tile, which is how far one step goes in k.
template <class Format>
constexpr int64_t kStep = kTileRowBytes / sizeof(typename Format::Code);

template <class Format>
int64_t steps_of(int64_t k) {
  return (k + kStep<Format> - 1) / kStep<Format>;
}

template <class Format>
int64_t row_bytes(int64_t k) {
  return steps_of<Format>(k) * kTileRowBytes + Format::kRowTail;
}

template <class Format>
int64_t panel_bytes(int64_t k) {
  return steps_of<Format>(k) * 2 * kTileBytes + Format::kPanelTail;
}

/// Codes of one step: those of the first `count` numbers at x, or fewer if the step is full; then zeros.
template <class Format>
void encode_step(const float* x, int64_t count, typename Format::Scale scale, std::byte* to) {
  for (int64_t p = 0; p < kStep<Format>; p += kWidth, to += kWidth * sizeof(typename Format::Code)) {
    const int64_t left = count - p;
    Format::encode(left >= kWidth ? load(x + p) : left > 0 ? load_part(x + p, left) : Vec{}, scale, to);
  }
}

template <class Format>
void encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i, x += x_row) {
    const auto scale = Format::scale_of(k, x);
    for (int64_t p = 0; p < k; p += kStep<Format>, rows += kTileRowBytes)
      encode_step<Format>(x + p, k - p, scale, rows);
    Format::put_scale(rows, 0, scale);
    rows += Format::kRowTail;
  }
}

/// Up to 16 outputs' weights, rows at distance w_row, as the tiles of one half of a panel; `first` is the
/// half's first column.
template <class Format>
void pack_half(int64_t k, int64_t outputs, const float* w, int64_t w_row, std::byte* panel, int64_t first) {
  typename Format::Scale scales[kTileRows];
  for (int64_t c = 0; c < outputs; ++c) {
    scales[c] = Format::scale_of(k, w + c * w_row);
    Format::put_scale(panel + steps_of<Format>(k) * 2 * kTileBytes, first + c, scales[c]);
  }
  alignas(kTileRowBytes) std::byte codes[kTileBytes] = {};  // a row an output
  std::byte* tile = panel + first / kTileRows * kTileBytes;
  for (int64_t p = 0; p < k; p += kStep<Format>, tile += 2 * kTileBytes) {
    for (int64_t c = 0; c < outputs; ++c)
      encode_step<Format>(w + c * w_row + p, k - p, scales[c], codes + c * kTileRowBytes);
    transpose(kTileRows, kTileRows, reinterpret_cast<const float*>(codes), kTileRows,
              reinterpret_cast<float*>(tile), kTileRows);
  }
}

template <class Format>
void pack(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  for (int64_t j = 0; j < n; j += kPanel, packed += panel_bytes<Format>(k)) {
    if (n - j < kPanel) std::memset(packed, 0, panel_bytes<Format>(k));
    for (int64_t c = 0; c < kPanel && j + c < n; c += kTileRows)
      pack_half<Format>(k, smaller(kTileRows, n - j - c), w + (j + c) * w_row, w_row, packed, c);
  }
}

// --- Transposed matrices, for training: two neighbouring rows are a row of a tile of weights ---

/// A row of a tile: of 16 columns pairs of the numbers of two rows, zeros behind the last of `columns` and of
/// `rows` (which may be 0 or less).
inline void encode_pairs(const float* x, int64_t x_row, int64_t rows, int64_t columns, std::byte* to) {
  uint16_t codes[2][kTileRows];
  for (int half = 0; half < 2; ++half) {
    for (int64_t c = 0; c < kTileRows; c += kWidth) {
      const int64_t left = half < rows ? columns - c : 0;
      const float* from = x + half * x_row + c;
      const Vec v = left >= kWidth ? load(from) : left > 0 ? load_part(from, left) : Vec{};
      Bf16Format::encode(v, {}, reinterpret_cast<std::byte*>(codes[half] + c));
    }
  }
  uint32_t pairs[kTileRows];
  for (int c = 0; c < kTileRows; ++c) pairs[c] = codes[0][c] | uint32_t{codes[1][c]} << 16;
  std::memcpy(to, pairs, sizeof pairs);
}

void pack_transposed(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  for (int64_t j = 0; j < n; j += kPanel) {
    for (int64_t p = 0; p < k; p += kStep<Bf16Format>) {
      for (int64_t c = j; c < j + kPanel; c += kTileRows) {
        for (int64_t q = p; q < p + kStep<Bf16Format>; q += 2, packed += kTileRowBytes)
          encode_pairs(w + q * w_row + c, w_row, k - q, n - c, packed);
      }
    }
  }
}

void encode_transposed(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  const int64_t bytes = row_bytes<Bf16Format>(k);
  alignas(kTileRowBytes) std::byte tile[kTileBytes];
  for (int64_t i = 0; i < m; i += kTileRows) {
    for (int64_t p = 0; p < k; p += kStep<Bf16Format>) {
      for (int64_t q = 0; q < kTileRows; ++q)
        encode_pairs(x + (p + 2 * q) * x_row + i, x_row, k - p - 2 * q, m - i, tile + q * kTileRowBytes);
      transpose(kTileRows, smaller(m - i, kTileRows), reinterpret_cast<const float*>(tile), kTileRows,
                reinterpret_cast<float*>(rows + i * bytes + 2 * p), bytes / 4);
    }
  }
}

}  // namespace
}  // namespace vmoe
