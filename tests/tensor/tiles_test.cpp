// Products by tile registers: their order of sums, their manners (nothing left configured, nothing read
// beyond the rows), the machine's own code where its instructions are trapped, and the emulation itself.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tensor/kernels/narrow_codes.h"
#include "tensor/kernels/narrow_tables.h"
#include "tensor/random.h"
#include "tests/tensor/emulated_tables.h"
#include "tests/tensor/emulated_tiles.h"
#include "tests/tensor/trapped_tiles.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

struct Factors {
  int64_t m, n, k;
  std::vector<real> x, w, bias;

  Factors(int64_t m, int64_t n, int64_t k) : m(m), n(n), k(k), x(m * k), w(n * k), bias(n) {
    Random random(31, Stream::test, 0, static_cast<uint32_t>(m * 10000 + n * 100 + k));
    for (std::vector<real>* part : {&x, &w, &bias}) {
      for (real& value : *part) value = static_cast<real>(random.uniform(-1, 1));
    }
  }
};

/// Emulated tiles may read from these alone, while it lives.
struct ReadOnlyFrom {
  explicit ReadOnlyFrom(const std::vector<std::vector<std::byte>*>& blocks) {
    for (const auto* block : blocks)
      TileRegisters::readable.emplace_back(block->data(), block->data() + block->size());
  }
  ~ReadOnlyFrom() { TileRegisters::readable.clear(); }
};

/// The product. Emulated tiles read nothing but the rows and the panels.
std::vector<real> product_by(const NarrowKernels& table, const Factors& f) {
  std::vector<std::byte> rows(f.m * table.row_bytes(f.k)), packed(table.packed_bytes(f.k, f.n));
  std::vector<real> y(f.m * f.n);
  table.pack(f.k, f.n, f.w.data(), f.k, packed.data());
  table.encode(f.m, f.k, f.x.data(), f.k, rows.data());
  const ReadOnlyFrom only({&rows, &packed});
  table.gemm({.m = f.m,
              .n = f.n,
              .k = f.k,
              .a = rows.data(),
              .b = packed.data(),
              .c = y.data(),
              .c_row = f.n,
              .bias = f.bias.data()});
  return y;
}

[[maybe_unused]] bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

/// One row, one tile, both, whole blocks with and without a rest; K within a step, of whole steps, and
/// between.
std::vector<Factors> shapes() {
  std::vector<Factors> all;
  for (const auto [m, n, k] : {std::array{1, 1, 1},
                               {16, 16, 32},
                               {17, 33, 3},
                               {31, 5, 65},
                               {32, 32, 64},
                               {33, 31, 127},
                               {64, 17, 131},
                               {85, 70, 30},
                               {290, 3, 33}}) {
    all.emplace_back(m, n, k);
  }
  return all;
}

#ifndef VMOE_F64
/// A bf16 product in the order that narrow.h states for tiles.
std::vector<real> in_order_of_tiles(const Factors& f) {
  std::vector<real> y(f.m * f.n);
  for (int64_t i = 0; i < f.m; ++i) {
    for (int64_t j = 0; j < f.n; ++j) {
      float sum = 0;
      for (int64_t first = 0; first < f.k; first += 32) {
        float halves[2] = {};
        for (int64_t p = first; p < std::min(first + 32, f.k); ++p)
          halves[p % 2] += bf16_value(bf16_code(f.x[i * f.k + p])) * bf16_value(bf16_code(f.w[j * f.k + p]));
        sum += halves[0] + halves[1];
      }
      y[i * f.n + j] = sum + f.bias[j];
    }
  }
  return y;
}
#endif

/// The operand of LDTILECFG with three tiles: 2 x 2 sums of two rows of 8 bytes and two of weights.
struct Configuration {
  uint8_t bytes[64] = {1};
  Configuration() {
    for (const int t : {0, 1, 2}) set(t, 2, 8);
  }
  void set(int t, int rows, int row_bytes) {
    bytes[16 + 2 * t] = static_cast<uint8_t>(row_bytes);
    bytes[48 + t] = static_cast<uint8_t>(rows);
  }
};

}  // namespace

#ifndef VMOE_F64
TEST_CASE("bfloat16 by tiles is added up in the order that is stated, in every bit") {
  for (const Factors& f : shapes()) {
    INFO("m " << f.m << " n " << f.n << " k " << f.k);
    CHECK(same_bytes(product_by(*emulated_narrow_kernels()[1], f), in_order_of_tiles(f)));
  }
}
#endif

TEST_CASE("tiles are released when a product is done") {
  for (const NarrowKernels* table : emulated_narrow_kernels()) {
    for (const Factors& f : shapes()) product_by(*table, f);
    CHECK_FALSE(emulated_tiles_held());
  }
}

TEST_CASE(
    "the machine's code for tiles, its tile instructions emulated one by one, is what the tables compute") {
  if (!can_trap_tiles()) {
    MESSAGE("skipped: needs Linux on AVX-512 BF16 without AMX; with AMX the tables run as they are");
    return;
  }
#if defined(__x86_64__) && !defined(VMOE_F64)
  const NarrowKernels* tables[] = {&kInt8_amx, &kBf16_amx};
  for (int t = 0; t < 2; ++t) {
    INFO("precision " << name_of(tables[t]->precision));
    for (const Factors& f : shapes()) {
      INFO("m " << f.m << " n " << f.n << " k " << f.k);
      const std::vector<real> want = product_by(*emulated_narrow_kernels()[t], f);
      std::vector<real> y, y_of_thread;
      const int64_t instructions = with_trapped_tiles([&] {
        y = product_by(*tables[t], f);
        CHECK_FALSE(trapped_tiles_held());
        std::thread other([&] { y_of_thread = product_by(*tables[t], f); });
        other.join();
      });
      CHECK(instructions > 20);
      CHECK(same_bytes(y, want));
      CHECK(same_bytes(y_of_thread, want));
    }
  }
#endif
}

TEST_CASE("emulated tiles multiply as the manual says") {
  TileRegisters tiles;
  tiles.configure(Configuration().bytes);
  std::byte out[16];

  // Two rows of two groups of four; weights: of each group, two outputs' four.
  const int8_t rows[2][8] = {{1, 2, 3, 4, -128, 0, 0, 127}, {0, 0, 0, 1, 0, 0, 0, 1}};
  const int8_t weights[2][8] = {{1, 1, 1, 1, 10, 0, 0, -1}, {-128, 5, 5, 127, 2, 0, 0, 3}};
  tiles.load(1, reinterpret_cast<const std::byte*>(rows), 8);
  tiles.load(2, reinterpret_cast<const std::byte*>(weights), 8);
  for (int times = 0; times < 2; ++times) tiles.add_int8(0, 1, 2);  // the second adds as much again
  tiles.store(0, out, 8);
  const int32_t sums[4] = {2 * (10 + 16384 + 16129), 2 * (10 - 4 - 256 + 381), 2 * (1 + 127), 2 * (-1 + 3)};
  CHECK(std::memcmp(out, sums, sizeof sums) == 0);

  // Pairs: even and odd numbers are added up apart. In one chain, 2^-24 would be lost beside 1 each time.
  const auto pair = [](float even, float odd) {
    return uint32_t{bf16_code(even)} | uint32_t{bf16_code(odd)} << 16;
  };
  const float small = 0x1p-24f;
  const uint32_t pairs[2][2] = {{pair(1, small), pair(0, small)}, {pair(0, 0), pair(0x1p-70f, 0)}};
  const uint32_t ones[2][2] = {{pair(1, 1), pair(1, 0)}, {pair(1, 1), pair(0x1p-70f, 0)}};
  tiles.zero(0);
  tiles.load(1, reinterpret_cast<const std::byte*>(pairs), 8);
  tiles.load(2, reinterpret_cast<const std::byte*>(ones), 8);
  tiles.add_bf16(0, 1, 2);
  tiles.store(0, out, 8);
  CHECK(get<float>(out, 0) == 1 + 2 * small);
  CHECK(get<float>(out, 1) == 1);
  CHECK(get<float>(out, 2) == 0x1p-70f);
  CHECK(get<float>(out, 3) == 0);  // 2^-140 is a denormal
}

TEST_CASE("emulated tiles refuse what a processor would") {
  const auto configured_by = [](const auto& change) {
    Configuration configuration;
    change(configuration);
    TileRegisters tiles;
    tiles.configure(configuration.bytes);
    return tiles;
  };
  const auto refused = [&](const auto& change, const auto& use) {
    try {
      TileRegisters tiles = configured_by(change);
      use(tiles);
    } catch (const std::logic_error&) {
      return true;
    }
    return false;
  };
  const auto nothing = [](auto&) {};
  const auto product = [](TileRegisters& tiles) { tiles.add_int8(0, 1, 2); };
  CHECK_FALSE(refused(nothing, product));

  CHECK(refused([](Configuration& c) { c.bytes[0] = 0; }, nothing));
  CHECK(refused([](Configuration& c) { c.bytes[7] = 1; }, nothing));
  CHECK(refused([](Configuration& c) { c.set(2, 17, 8); }, nothing));
  CHECK(refused([](Configuration& c) { c.set(2, 2, 65); }, nothing));
  CHECK(refused([](Configuration& c) { c.set(2, 0, 8); }, nothing));
  CHECK(refused([](Configuration& c) { c.set(8, 2, 8); }, nothing));

  CHECK(refused([](Configuration& c) { c.set(0, 1, 8); }, product));
  CHECK(refused([](Configuration& c) { c.set(1, 2, 12); }, product));
  CHECK(refused([](Configuration& c) { c.set(2, 2, 12); }, product));
  CHECK(refused([](Configuration& c) { c.set(2, 0, 0); }, product));
  CHECK(refused(nothing, [](TileRegisters& tiles) { tiles.add_int8(0, 1, 1); }));
  CHECK(refused(nothing, [](TileRegisters& tiles) { tiles.zero(3); }));
  CHECK(refused(nothing, [](TileRegisters& tiles) {
    std::vector<std::byte> rows(15);
    const ReadOnlyFrom only({&rows});
    tiles.load(1, rows.data(), 8);
  }));
  CHECK(refused(nothing, [](TileRegisters& tiles) { tiles.release(), tiles.zero(0); }));
}
