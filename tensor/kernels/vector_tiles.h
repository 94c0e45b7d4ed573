#pragma once
// The products of narrow.h by tile registers (Intel AMX): eight of them, each up to 16 rows of 64 bytes, and
// one instruction that adds the product of two to a third, 16 x 16 sums of 64 (int8) or 32 (bf16) products.
//
// A block is 32 rows by 32 outputs: four tiles of sums, two of rows, two of weights, so that each tile that
// is loaded is used twice. Rows and weights are padded with zeros to whole tiles in k. Rows of A are not
// padded: those beyond the last block of 32 are computed by tiles configured for fewer, so that nothing is
// read or multiplied in vain.
//
// Everything is a template over `Tiles`, the instructions themselves: vector_amx.cpp has the machine's, the
// tests an emulation, since most machines lack them. A `Tiles` is what one thread holds from configuring its
// tile registers to releasing them:
//
//   Tiles(const TileShapes&)              configures, and sets all tiles to zero
//   ~Tiles()                              releases
//   load(t, at, stride), store(t, ...)    the tile's rows, each `stride` bytes after the last
//   zero(t)
//   add_int8(c, a, b), add_bf16(c, a, b)  c += a b, of rows a and weights b (vector_tile_codes.h)
//
// One call of `gemm` configures and releases, at most once for whole blocks and once for the rest: some tens
// of cycles beside thousands. A thread that kept its tiles would have 8 KiB more to be saved at each switch
// from it, and a configuration in which other code (OpenBLAS has tile kernels, too) might be surprised.

#include <type_traits>

#include "tensor/kernels/vector_tile_codes.h"

namespace vmoe {
namespace {

/// The operand of LDTILECFG (Intel's Software Developer's Manual, volume 1, chapter 18): bytes in a row and
/// rows of each tile.
struct TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

/// A tile by name, as a type: an instruction holds its tiles' numbers.
template <int N>
struct TileName {
  constexpr operator int() const { return N; }
};
constexpr TileName<0> kSums00;  // upper rows, left outputs
constexpr TileName<1> kSums01;
constexpr TileName<2> kSums10;
constexpr TileName<3> kSums11;
constexpr TileName<4> kUpperRows;
constexpr TileName<5> kLowerRows;
constexpr TileName<6> kLeftWeights;
constexpr TileName<7> kRightWeights;

constexpr int kRows = 2 * kTileRows;
constexpr int64_t kRowBlock = 8 * kRows;  // rows of A that stay in the second-level cache

/// For blocks of `rows` <= 32 rows; up to 16 take no lower tiles.
inline TileShapes shapes_for(int64_t rows) {
  const int64_t upper = smaller(rows, kTileRows), lower = rows - upper;
  TileShapes shapes;
  const auto set = [&](int tile, int64_t height) {
    shapes.rows[tile] = static_cast<uint8_t>(height);
    shapes.row_bytes[tile] = height > 0 ? kTileRowBytes : 0;
  };
  for (const int tile : {int{kSums00}, int{kSums01}, int{kUpperRows}}) set(tile, upper);
  for (const int tile : {int{kSums10}, int{kSums11}, int{kLowerRows}}) set(tile, lower);
  for (const int tile : {int{kLeftWeights}, int{kRightWeights}}) set(tile, kTileRows);
  return shapes;
}

/// Sums of one block, row by row: 4 KiB between the tiles and C, which stay in the first-level cache.
struct alignas(kTileRowBytes) Sums {
  std::byte rows[kRows][kPanel * 4];
};

/// The sums of the rows at `a` and of one panel; `Two`: both tiles of rows are in use.
template <class Format, bool Two, class Tiles>
inline void add_up(Tiles& tiles, int64_t steps, const std::byte* a, int64_t a_row, const std::byte* panel,
                   Sums& sums) {
  tiles.zero(kSums00);
  tiles.zero(kSums01);
  if constexpr (Two) {
    tiles.zero(kSums10);
    tiles.zero(kSums11);
  }
  for (int64_t s = 0; s < steps; ++s, a += kTileRowBytes, panel += 2 * kTileBytes) {
    tiles.load(kLeftWeights, panel, kTileRowBytes);
    tiles.load(kUpperRows, a, a_row);
    Format::add(tiles, kSums00, kUpperRows, kLeftWeights);
    tiles.load(kRightWeights, panel + kTileBytes, kTileRowBytes);
    Format::add(tiles, kSums01, kUpperRows, kRightWeights);
    if constexpr (Two) {
      tiles.load(kLowerRows, a + kTileRows * a_row, a_row);
      Format::add(tiles, kSums10, kLowerRows, kLeftWeights);
      Format::add(tiles, kSums11, kLowerRows, kRightWeights);
    }
  }
  constexpr int64_t kRowOfSums = sizeof sums.rows[0];
  tiles.store(kSums00, sums.rows[0], kRowOfSums);
  tiles.store(kSums01, sums.rows[0] + kTileRowBytes, kRowOfSums);
  if constexpr (Two) {
    tiles.store(kSums10, sums.rows[kTileRows], kRowOfSums);
    tiles.store(kSums11, sums.rows[kTileRows] + kTileRowBytes, kRowOfSums);
  }
}

/// Results of `rows` rows and of the `columns` outputs of a panel, from their sums.
template <class Format>
inline void write(const Sums& sums, int64_t rows, int64_t columns, const std::byte* row_tail, int64_t a_row,
                  const std::byte* panel_tail, float* c, int64_t c_row, const float* bias,
                  const float* base) {
  for (int64_t r = 0; r < rows; ++r, c += c_row, row_tail += a_row) {
    for (int64_t at = 0; at < columns; at += kWidth) {
      const int64_t left = columns - at;
      const auto numbers = [left](const float* p) { return left >= kWidth ? load(p) : load_part(p, left); };
      Vec y = Format::result(sums.rows[r] + at * 4, row_tail, panel_tail, at);
      if (bias) y = y + numbers(bias + at);
      if (base) y = numbers(base + r * c_row + at) + y;
      if (left >= kWidth) {
        store(c + at, y);
      } else {
        store_part(c + at, y, left);
      }
    }
  }
}

/// Rows first .. first + m of the product, in blocks of `height` rows, which divides m.
template <class Format, bool Two, class Tiles>
void multiply_blocks(Tiles& tiles, const NarrowGemm& g, int64_t first, int64_t m, int64_t height) {
  const int64_t steps = steps_of<Format>(g.k), a_row = row_bytes<Format>(g.k);
  Sums sums;
  for (int64_t j = 0; j < g.n; j += kPanel) {
    const std::byte* panel = g.b + j / kPanel * panel_bytes<Format>(g.k);
    for (int64_t i = first; i < first + m; i += height) {
      const std::byte* a = g.a + i * a_row;
      add_up<Format, Two>(tiles, steps, a, a_row, panel, sums);
      write<Format>(sums, height, smaller(g.n - j, kPanel), a + steps * kTileRowBytes, a_row,
                    panel + steps * 2 * kTileBytes, g.c + i * g.c_row + j, g.c_row,
                    g.bias ? g.bias + j : nullptr, g.base ? g.base + i * g.c_row + j : nullptr);
    }
  }
}

template <class Format, class Tiles>
void gemm(const NarrowGemm& g) {
  const int64_t whole = g.m / kRows * kRows, rest = g.m - whole;
  if (whole > 0) {
    Tiles tiles(shapes_for(kRows));
    for (int64_t first = 0; first < whole; first += kRowBlock) {
      const int64_t m = smaller(whole - first, kRowBlock);
      multiply_blocks<Format, true>(tiles, g, first, m, kRows);
    }
  }
  if (rest > 0) {
    Tiles tiles(shapes_for(rest));
    if (rest > kTileRows) {
      multiply_blocks<Format, true>(tiles, g, whole, rest, rest);
    } else {
      multiply_blocks<Format, false>(tiles, g, whole, rest, rest);
    }
  }
}

template <class Format, class Tiles>
constexpr NarrowKernels tile_kernels(const char* name, Precision precision) {
  NarrowKernels table = {
      .name = name,
      .companion = "avx512",
      .precision = precision,
      .faster_than_fp32 = true,
      .panel = kPanel,
      .row_bytes = row_bytes<Format>,
      .panel_bytes = panel_bytes<Format>,
      .pack = pack<Format>,
      .encode = encode<Format>,
      .gemm = gemm<Format, Tiles>,
  };
  if constexpr (std::is_same_v<Format, Bf16Format>) {
    table.pack_transposed = pack_transposed;
    table.encode_transposed = encode_transposed;
  }
  return table;
}

}  // namespace
}  // namespace vmoe
