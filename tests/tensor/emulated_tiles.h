#pragma once
// Tile registers as Intel's manual describes them (Software Developer's Manual, volume 1, chapter 18; volume
// 2, the instructions' own pages), element by element. What the processor would answer with a fault is an
// exception here, so that a kernel that passes on it breaks no rule either.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vmoe::testing {

class TileRegisters {
 public:
  /// LDTILECFG: 64 bytes (palette, first row, 14 zeros, 16 x bytes in a row, 16 x rows).
  void configure(const void* operand) {
    uint8_t bytes[64];
    std::memcpy(bytes, operand, sizeof bytes);
    require(bytes[0] == 1, "palette is not 1");
    require(bytes[1] == 0, "an instruction is not restarted here");
    for (int i = 2; i < 16; ++i) require(bytes[i] == 0, "reserved byte is not 0");
    for (int t = 0; t < 16; ++t) {
      uint16_t width;
      std::memcpy(&width, bytes + 16 + 2 * t, sizeof width);
      const int rows = bytes[48 + t];
      require(t < kTiles || (rows == 0 && width == 0), "there are eight tiles");
      require(rows <= kMostRows && width <= kMostBytes, "a tile is at most 16 rows of 64 bytes");
      require((rows == 0) == (width == 0), "rows without bytes, or bytes without rows");
      if (t < kTiles) tiles_[t] = {.rows = rows, .row_bytes = width, .data = {}};
    }
    configured_ = true;
  }
  /// TILERELEASE.
  void release() {
    configured_ = false;
    for (Tile& tile : tiles_) tile = {};
  }
  bool configured() const { return configured_; }

  /// Memory that loads of all threads may read from; none named: all of it.
  static inline std::vector<std::pair<const std::byte*, const std::byte*>> readable;

  /// TILELOADD, TILESTORED: the rows lie `stride` bytes apart. TILEZERO.
  void load(int t, const std::byte* at, int64_t stride) {
    Tile& tile = valid(t);
    std::memset(tile.data, 0, sizeof tile.data);
    for (int r = 0; r < tile.rows; ++r, at += stride) {
      require(may_read(at, at + tile.row_bytes), "this memory is not the product's");
      std::memcpy(tile.data[r], at, tile.row_bytes);
    }
  }
  void store(int t, std::byte* at, int64_t stride) {
    const Tile& tile = valid(t);
    for (int r = 0; r < tile.rows; ++r) std::memcpy(at + r * stride, tile.data[r], tile.row_bytes);
  }
  void zero(int t) {
    Tile& tile = valid(t);
    std::memset(tile.data, 0, sizeof tile.data);
  }

  /// TDPBSSD: c += a b of signed bytes, four neighbours at a time; modulo 2^32.
  void add_int8(int c, int a, int b) {
    for_each_sum(c, a, b, [&](int m, int n, int groups) {
      uint32_t sum = number<uint32_t>(c, m, n);
      for (int q = 0; q < groups; ++q) {
        for (int i = 0; i < 4; ++i)
          sum += static_cast<uint32_t>(number<int8_t>(a, m, 4 * q + i) * number<int8_t>(b, q, 4 * n + i));
      }
      set(c, m, n, sum);
    });
  }
  /// TDPBF16PS: of pairs, the lower and the upper halves are added up apart, from zero, by fused
  /// multiply-add; then these two, then c.
  void add_bf16(int c, int a, int b) {
    for_each_sum(c, a, b, [&](int m, int n, int groups) {
      float halves[2] = {};
      for (int q = 0; q < groups; ++q) {
        for (int i = 0; i < 2; ++i)
          halves[i] = flushed(std::fma(bfloat16(a, m, 2 * q + i), bfloat16(b, q, 2 * n + i), halves[i]));
      }
      const float sum = flushed(halves[0] + halves[1]);
      set(c, m, n, flushed(flushed(number<float>(c, m, n)) + sum));
    });
  }

 private:
  static constexpr int kTiles = 8, kMostRows = 16, kMostBytes = 64;
  struct Tile {
    int rows = 0, row_bytes = 0;
    uint8_t data[kMostRows][kMostBytes] = {};
  };

  static void require(bool right, const char* what) {
    if (!right) throw std::logic_error(std::string("a processor with tiles would stop here: ") + what);
  }
  static bool may_read(const std::byte* begin, const std::byte* end) {
    bool may = readable.empty();
    for (const auto& [first, last] : readable) may |= begin >= first && end <= last;
    return may;
  }
  Tile& valid(int t) {
    require(configured_, "tiles are not configured");
    require(t >= 0 && t < kTiles && tiles_[t].rows > 0, "this tile is not configured");
    require(tiles_[t].row_bytes % 4 == 0, "a row is not whole numbers of 4 bytes");
    return tiles_[t];
  }

  template <class Sum>
  void for_each_sum(int c, int a, int b, const Sum& sum) {
    require(c != a && a != b && c != b, "the three tiles are not different");
    const Tile &sums = valid(c), &rows = valid(a), &columns = valid(b);
    require(
        sums.rows == rows.rows && sums.row_bytes == columns.row_bytes && rows.row_bytes / 4 == columns.rows,
        "the tiles' shapes don't fit each other");
    for (int m = 0; m < sums.rows; ++m) {
      for (int n = 0; n < sums.row_bytes / 4; ++n) sum(m, n, columns.rows);
    }
  }

  template <class T>
  T number(int t, int row, int index) const {
    T value;
    std::memcpy(&value, tiles_[t].data[row] + index * sizeof value, sizeof value);
    return value;
  }
  template <class T>
  void set(int t, int row, int index, T value) {
    std::memcpy(tiles_[t].data[row] + index * sizeof value, &value, sizeof value);
  }
  /// Denormals count as zeros.
  static float flushed(float x) { return std::fabs(x) < 0x1p-126f ? std::copysign(0.0f, x) : x; }
  float bfloat16(int t, int row, int index) const {
    const uint32_t bits = uint32_t{number<uint16_t>(t, row, index)} << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return flushed(x);
  }

  bool configured_ = false;
  Tile tiles_[kTiles];
};

}  // namespace vmoe::testing
