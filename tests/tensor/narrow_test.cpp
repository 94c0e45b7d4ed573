// Products of fewer bits: int8 of every instruction set gives the plain loops' bytes, bfloat16 stays within a
// bound of them, and both are as near to fp32 as their rounding allows.

#include "tensor/kernels/narrow.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tensor/error.h"
#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"
#include "tensor/packed_weights.h"
#include "tensor/random.h"
#include "tests/support/guarded.h"
#include "tests/tensor/emulated_tables.h"

using namespace vmoe;
using vmoe::testing::Guarded;

namespace {

/// Factors of a product: rows x [m, k], weights w [n, k], bias [n].
struct Factors {
  int64_t m, n, k;
  std::vector<real> x, w, bias;

  Factors(int64_t m, int64_t n, int64_t k, uint32_t draw) : m(m), n(n), k(k), x(m * k), w(n * k), bias(n) {
    Random random(21, Stream::test, 0, draw);
    for (std::vector<real>* part : {&x, &w, &bias}) {
      for (real& value : *part) value = static_cast<real>(random.uniform(-1, 1));
    }
  }
};

/// The product by one table, between canaries; codes start as poison.
std::vector<real> product_by(const NarrowKernels& table, const Factors& f, bool bias = true) {
  std::vector<std::byte> rows(f.m * table.row_bytes(f.k) + 64, std::byte{0xff});
  std::vector<std::byte> packed(table.packed_bytes(f.k, f.n) + 64, std::byte{0xff});
  table.pack(f.k, f.n, f.w.data(), f.k, packed.data());
  table.encode(f.m, f.k, f.x.data(), f.k, rows.data());
  for (size_t i = rows.size() - 64; i < rows.size(); ++i) CHECK(rows[i] == std::byte{0xff});
  for (size_t i = packed.size() - 64; i < packed.size(); ++i) CHECK(packed[i] == std::byte{0xff});
  Guarded c({f.m, f.n});
  table.gemm({.m = f.m,
              .n = f.n,
              .k = f.k,
              .a = rows.data(),
              .b = packed.data(),
              .c = c.tensor().data,
              .c_row = f.n,
              .bias = bias ? f.bias.data() : nullptr});
  CHECK(c.intact());
  return {c.tensor().begin(), c.tensor().end()};
}

bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

/// All tables that run here, and those whose instructions are emulated.
std::vector<const NarrowKernels*> tables() {
  std::vector<const NarrowKernels*> all = available_narrow_kernels();
  const auto& emulated = vmoe::testing::emulated_narrow_kernels();
  all.insert(all.end(), emulated.begin(), emulated.end());
  return all;
}

const NarrowKernels* plain_of(Precision precision) {
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (table->precision == precision) return table;
  }
  return nullptr;
}

/// Random shapes and the edges: one row, one output, K = 1, K no multiple of a group, more rows than a block.
std::vector<Factors> shapes() {
  std::vector<Factors> all;
  uint32_t draw = 0;
  for (const auto [m, n, k] : {std::array{1, 1, 1},
                               {1, 100, 1},
                               {100, 1, 1},
                               {1, 1, 100},
                               {13, 33, 2},
                               {1, 33, 40},
                               {203, 35, 9},
                               {64, 96, 48},
                               {12, 32, 191},
                               {97, 65, 5}}) {
    all.emplace_back(m, n, k, draw++);
  }
  for (uint32_t i = 0; i < 40; ++i) {
    Random random(22, Stream::test, 0, i);
    const int64_t m = 1 + random.below(70);
    const int64_t n = 1 + random.below(90);
    const int64_t k = 1 + random.below(80);
    all.emplace_back(m, n, k, draw++);
  }
  return all;
}

/// Largest distance from the product of the numbers themselves, in units of k times one rounding of either
/// factor.
double error_in_roundings(const std::vector<real>& got, const Factors& f, double rounding) {
  double most = 0;
  for (int64_t i = 0; i < f.m; ++i) {
    for (int64_t j = 0; j < f.n; ++j) {
      double sum = f.bias[j];
      for (int64_t p = 0; p < f.k; ++p) sum += double{f.x[i * f.k + p]} * f.w[j * f.k + p];
      const double error = std::fabs(got[i * f.n + j] - sum) / (rounding * static_cast<double>(f.k));
      if (!(error <= most)) most = error;
    }
  }
  return most;
}

}  // namespace

TEST_CASE("int8 of every instruction set is the plain loops' result, in every bit") {
  for (const NarrowKernels* table : tables()) {
    if (table->precision != Precision::int8) continue;
    INFO("instruction set " << table->name);
    for (const Factors& f : shapes()) {
      INFO("m " << f.m << " n " << f.n << " k " << f.k);
      for (const bool bias : {true, false})
        CHECK(same_bytes(product_by(*table, f, bias), product_by(*plain_of(Precision::int8), f, bias)));
    }
  }
}

TEST_CASE("bfloat16 of every instruction set is the plain loops' result within its roundings") {
  for (const NarrowKernels* table : tables()) {
    if (table->precision != Precision::bf16) continue;
    INFO("instruction set " << table->name);
    for (const Factors& f : shapes()) {
      INFO("m " << f.m << " n " << f.n << " k " << f.k);
      const std::vector<real> a = product_by(*table, f), b = product_by(*plain_of(Precision::bf16), f);
      double most = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        if (!(std::fabs(a[i] - b[i]) <= most)) most = std::fabs(a[i] - b[i]);
      }
      // Orders differ (narrow.h), and a processor may round a pair's sum once instead of twice. Far below
      // `bf16_order_bound`, since errors of the signs of random numbers cancel.
      CHECK(most <= 1.2e-7 * static_cast<double>(f.k + 1));
    }
  }
}

TEST_CASE("a product of fewer bits is as near to the numbers' own as the rounding of its factors allows") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    // Numbers below 1 lie at most half a step from their code: 1/254 for int8, 2^-9 for bfloat16; two
    // factors.
    const double rounding = table->precision == Precision::int8 ? 2.0 / 254 : 2.0 / 512;
    for (const Factors& f : shapes()) CHECK(error_in_roundings(product_by(*table, f), f, rounding) <= 1.01);
  }
}

TEST_CASE("codes round to the nearest, ties to even, and reach the largest number exactly") {
  if (available_narrow_kernels().empty()) return;  // a double build has none
  Factors f(1, 1, 1, 0);
  f.bias = {0};
  f.w = {127};  // step 1, code 127
  f.k = 4;
  f.w = {127, 0, 0, 1};
  // Steps of 1: 2.5 and 3.5 are ties, which go to 2 and to 4.
  for (const auto& [x, code] : {std::pair{2.5f, 2}, {3.5f, 4}, {-2.5f, -2}, {2.51f, 3}, {126.6f, 127}}) {
    f.x = {0, 127, 0, x};
    for (const NarrowKernels* table : tables()) {
      if (table->precision == Precision::int8) CHECK(product_by(*table, f)[0] == static_cast<real>(code));
    }
  }
}

TEST_CASE("rows of zeros, of tiny and of huge numbers are finite, and the same on every instruction set") {
  for (const NarrowKernels* table : tables()) {
    if (table->precision != Precision::int8) continue;
    INFO("instruction set " << table->name);
    Factors f(5, 40, 21, 0);
    const real scales[] = {0, real(1e-38), real(1e-29), real(1e30), real(3e38)};
    for (int64_t i = 0; i < f.m; ++i) {
      for (int64_t p = 0; p < f.k; ++p) f.x[i * f.k + p] *= scales[i];
    }
    std::fill(f.w.begin(), f.w.begin() + f.k, real{0});  // an output without weights
    for (real& w : f.w) w *= real{0.001f};
    const std::vector<real> y = product_by(*table, f);
    CHECK(std::all_of(y.begin(), y.end(), [](real value) { return std::isfinite(value); }));
    CHECK(same_bytes(y, product_by(*plain_of(Precision::int8), f)));
    for (int64_t j = 0; j < f.n; ++j) CHECK((y[j] == f.bias[j] && y[f.n + j] == f.bias[j]));
    CHECK(y[2 * f.n] == f.bias[0]);
  }
}

TEST_CASE("a NaN or an infinity in a row makes this row NaN, one in a weight this output, and nothing else") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    const real nan = std::numeric_limits<real>::quiet_NaN(), infinity = std::numeric_limits<real>::infinity();
    for (const real bad : {nan, -nan, infinity, -infinity}) {
      for (int64_t at = 0; at < 37; ++at) {
        Factors f(3, 35, 37, 0);
        f.x[f.k + at] = bad;
        std::vector<real> y = product_by(*table, f);
        for (int64_t i = 0; i < f.m * f.n; ++i) {
          if (table->precision == Precision::bf16 && std::isinf(bad)) {
            CHECK(std::isfinite(y[i]) == (i / f.n != 1));  // as in fp32
          } else {
            CHECK(std::isnan(y[i]) == (i / f.n == 1));
          }
        }
        if (std::isinf(bad)) continue;
        f.x[f.k + at] = 1;
        f.w[34 * f.k + at] = bad;
        y = product_by(*table, f);
        for (int64_t i = 0; i < f.m * f.n; ++i) CHECK(std::isnan(y[i]) == (i % f.n == 34));
      }
    }
  }
}

TEST_CASE("an element of a product of fewer bits is the same bytes whatever rows and outputs are beside it") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    const Factors f(29, 71, 37, 0);
    const std::vector<real> whole = product_by(*table, f);
    for (int64_t i = 0; i < f.m; ++i) {
      Factors row(1, f.n, f.k, 0);
      row.w = f.w;
      row.bias = f.bias;
      row.x.assign(f.x.begin() + i * f.k, f.x.begin() + (i + 1) * f.k);
      CHECK(std::memcmp(product_by(*table, row).data(), &whole[i * f.n], f.n * sizeof(real)) == 0);
    }
    for (int64_t j = 0; j < f.n; ++j) {
      Factors output(f.m, 1, f.k, 0);
      output.x = f.x;
      output.bias = {f.bias[j]};
      output.w.assign(f.w.begin() + j * f.k, f.w.begin() + (j + 1) * f.k);
      const std::vector<real> column = product_by(*table, output);
      for (int64_t i = 0; i < f.m; ++i) CHECK(column[i] == whole[i * f.n + j]);
    }
  }
}

TEST_CASE("a product of fewer bits is the same bytes for one thread as for two and three") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    const Factors f(50, 100, 37, 0);
    const std::vector<real> want = product_by(*table, f);
    std::vector<std::byte> packed(table->packed_bytes(f.k, f.n));
    table->pack(f.k, f.n, f.w.data(), f.k, packed.data());
    for (const int threads : {1, 2, 3}) {
      Arena arena;
      Team team(threads);
      std::vector<real> y(f.m * f.n);
      team.lead([&] {
        multiply(arena, team, *table, {f.m, f.n, f.k, f.x.data(), packed.data(), y.data(), f.bias.data()});
      });
      CHECK(same_bytes(y, want));
      CHECK(arena.used() == 0);
    }
  }
}

TEST_CASE("of no rows and no outputs a product of fewer bits makes nothing") {
  for (const NarrowKernels* table : tables()) {
    product_by(*table, Factors(0, 40, 8, 0));
    product_by(*table, Factors(3, 0, 8, 0));
    const std::vector<real> y = product_by(*table, Factors(2, 3, 0, 0));
    CHECK(y == std::vector<real>{y[0], y[1], y[2], y[0], y[1], y[2]});  // the bias
  }
}

namespace {

/// The factors' transposes, with rows further apart than they are long.
struct Transposed {
  int64_t x_row, w_row;
  std::vector<real> x, w;

  explicit Transposed(const Factors& f) : x_row(f.m + 3), w_row(f.n + 1), x(f.k * x_row), w(f.k * w_row) {
    for (int64_t p = 0; p < f.k; ++p) {
      for (int64_t i = 0; i < f.m; ++i) x[p * x_row + i] = f.x[i * f.k + p];
      for (int64_t j = 0; j < f.n; ++j) w[p * w_row + j] = f.w[j * f.k + p];
    }
  }
};

std::vector<const NarrowKernels*> tables_that_train() {
  std::vector<const NarrowKernels*> found;
  for (const NarrowKernels* table : tables()) {
    if (table->trains()) found.push_back(table);
  }
  return found;
}

/// x rounded to bfloat16: the nearest number of 8 bits, ties to even.
double rounded(double x) {
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(x, 8 - exponent)), exponent - 8);
}

}  // namespace

TEST_CASE("bfloat16 codes of a transposed matrix are those of the matrix, in every bit") {
  for (const NarrowKernels* table : tables_that_train()) {
    INFO("instruction set " << table->name);
    for (Factors& f : shapes()) {
      INFO("m " << f.m << " n " << f.n << " k " << f.k);
      f.x[f.x.size() / 2] = std::numeric_limits<real>::quiet_NaN();
      f.w[f.w.size() / 2] = -std::numeric_limits<real>::infinity();
      f.w.back() = real(1e-39);  // a denormal
      const Transposed t(f);
      std::vector<std::byte> rows(f.m * table->row_bytes(f.k) + 64, std::byte{0xff}), turned_rows = rows;
      std::vector<std::byte> packed(table->packed_bytes(f.k, f.n) + 64, std::byte{0xff}), turned = packed;
      table->encode(f.m, f.k, f.x.data(), f.k, rows.data());
      table->encode_transposed(f.m, f.k, t.x.data(), t.x_row, turned_rows.data());
      CHECK(rows == turned_rows);
      table->pack(f.k, f.n, f.w.data(), f.k, packed.data());
      table->pack_transposed(f.k, f.n, t.w.data(), t.w_row, turned.data());
      CHECK(packed == turned);
    }
  }
}

TEST_CASE("weights whose rows lie apart are packed like those that lie side by side") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    for (const Factors& f : shapes()) {
      INFO("n " << f.n << " k " << f.k);
      const int64_t w_row = f.k + 3;
      std::vector<real> apart(f.n * w_row, std::numeric_limits<real>::quiet_NaN());
      for (int64_t j = 0; j < f.n; ++j) std::copy_n(f.w.begin() + j * f.k, f.k, apart.begin() + j * w_row);
      std::vector<std::byte> packed(table->packed_bytes(f.k, f.n), std::byte{0xff}), want = packed;
      table->pack(f.k, f.n, f.w.data(), f.k, want.data());
      table->pack(f.k, f.n, apart.data(), w_row, packed.data());
      CHECK(packed == want);
    }
  }
}

TEST_CASE("what a product of fewer bits is added to comes last, and may be the result's own place") {
  for (const NarrowKernels* table : tables()) {
    INFO("precision " << name_of(table->precision) << " " << table->name);
    for (const Factors& f : shapes()) {
      INFO("m " << f.m << " n " << f.n << " k " << f.k);
      const std::vector<real> product = product_by(*table, f);
      std::vector<std::byte> rows(f.m * table->row_bytes(f.k)), packed(table->packed_bytes(f.k, f.n));
      table->encode(f.m, f.k, f.x.data(), f.k, rows.data());
      table->pack(f.k, f.n, f.w.data(), f.k, packed.data());
      const int64_t c_row = f.n + 2;
      std::vector<real> base(f.m * c_row), into(f.m * c_row, 7);
      Random random(23, Stream::test);
      for (real& value : base) value = static_cast<real>(random.uniform(-1, 1));
      std::vector<real> want = base;
      for (int64_t i = 0; i < f.m; ++i) {
        for (int64_t j = 0; j < f.n; ++j) want[i * c_row + j] = base[i * c_row + j] + product[i * f.n + j];
      }
      NarrowGemm g{.m = f.m,
                   .n = f.n,
                   .k = f.k,
                   .a = rows.data(),
                   .b = packed.data(),
                   .c = into.data(),
                   .c_row = c_row,
                   .bias = f.bias.data(),
                   .base = base.data()};
      table->gemm(g);
      for (int64_t i = 0; i < f.m; ++i) {
        CHECK(std::memcmp(&into[i * c_row], &want[i * c_row], f.n * sizeof(real)) == 0);
        CHECK((into[i * c_row + f.n] == 7 && into[i * c_row + f.n + 1] == 7));
      }
      g.c = base.data();
      table->gemm(g);
      CHECK(same_bytes(base, want));
    }
  }
}

TEST_CASE("a weight gradient of fewer bits is the sum of rounded products, new or added") {
  for (const NarrowKernels* table : tables_that_train()) {
    INFO("instruction set " << table->name);
    for (const Factors& f : shapes()) {  // dY [k, m], X [k, n]
      INFO("out " << f.m << " in " << f.n << " rows " << f.k);
      std::vector<real> dy(f.k * f.m), x(f.k * f.n);
      Random random(24, Stream::test);
      for (std::vector<real>* part : {&dy, &x}) {
        for (real& value : *part) value = static_cast<real>(random.uniform(-1, 1));
      }
      for (const bool add : {false, true}) {
        Arena arena;
        std::vector<real> dw(f.m * f.n, real{0.25f});
        weight_gradient(arena, *table, f.k, f.m, f.n, dy.data(), x.data(), dw.data(), add);
        CHECK(arena.used() == 0);
        double most = 0;
        for (int64_t i = 0; i < f.m; ++i) {
          for (int64_t j = 0; j < f.n; ++j) {
            double sum = add ? 0.25 : 0;
            for (int64_t p = 0; p < f.k; ++p) sum += rounded(dy[p * f.m + i]) * rounded(x[p * f.n + j]);
            const double error = std::fabs(dw[i * f.n + j] - sum);
            if (!(error <= most)) most = error;
          }
        }
        CHECK(most <= 1.2e-7 * static_cast<double>(f.k + 1));  // products are exact; sums of k terms below 1
      }
    }
  }
}

TEST_CASE("an int8 weight takes one byte, and its step") {
  for (const NarrowKernels* table : tables()) {
    if (table->precision != Precision::int8) continue;
    const int64_t numbers = 768 * 192, bytes = table->packed_bytes(192, 768);
    CHECK(bytes >= numbers + 768 * 4);
    CHECK(bytes <= numbers + 768 * 8);
  }
}

TEST_CASE("auto never chooses a precision that is slower than fp32, and every table has its companion") {
  for (const Kernels* kernels : available_kernels()) {
    use_kernels(kernels->name);
    const NarrowKernels* chosen = narrow_kernels(find_precision("auto"));
    CHECK((!chosen || chosen->faster_than_fp32));
    CHECK(find_precision("fp32") == Precision::fp32);
    CHECK(narrow_kernels(Precision::fp32) == nullptr);
  }
  use_kernels("auto");
  for (const NarrowKernels* table : available_narrow_kernels()) {
    CHECK(std::any_of(available_kernels().begin(), available_kernels().end(), [&](const Kernels* kernels) {
      return std::strcmp(kernels->name, table->companion) == 0;
    }));
  }
}

TEST_CASE("training takes bfloat16 where a table has all it needs, and auto takes it where it is faster") {
  for (const Kernels* kernels : available_kernels()) {
    use_kernels(kernels->name);
    const NarrowKernels* bf16 = training_kernels(Precision::bf16);
    CHECK((!bf16 || (bf16->trains() && std::strcmp(bf16->companion, kernels->name) == 0)));
    CHECK(training_kernels(Precision::int8) == nullptr);
    CHECK(find_training_precision("auto") ==
          (bf16 && bf16->faster_than_fp32 ? Precision::bf16 : Precision::fp32));
    CHECK(find_training_precision("fp32") == Precision::fp32);
  }
  use_kernels("plain");
  if (!available_narrow_kernels().empty()) CHECK(find_training_precision("bf16") == Precision::bf16);
  CHECK_THROWS_WITH_AS(find_training_precision("int8"),
                       "'int8' is no precision to train in; it must be fp32, bf16 or auto", UsageError);
  use_kernels("baseline");
  CHECK_THROWS_WITH_AS(find_training_precision("bf16"),
                       doctest::Contains("precision bf16 cannot be had here with the instruction set "
                                         "'baseline'"),
                       UsageError);
  use_kernels("auto");
}

TEST_CASE("weights are not packed for training by kernels that only infer") {
  ParameterStore store;
  store.add("w", {16, 8}, Role::weight, Init::zeros());
  store.allocate();
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (table->trains()) continue;
    CHECK_THROWS_WITH_AS(PackedWeights(store, kernels(), true, {table}),
                         doctest::Contains("weights of int8 by '"), Error);
  }
}

TEST_CASE("a precision that is unknown, or that cannot be had, is an error that lists what there is") {
  CHECK_THROWS_WITH_AS(find_precision("fp8"), "'fp8' is no precision; it must be fp32, int8, bf16 or auto",
                       UsageError);
  if (available_narrow_kernels().empty()) return;  // a double build
  use_kernels("baseline");
  CHECK_THROWS_WITH_AS(find_precision("bf16"),
                       "precision bf16 cannot be had here with the instruction set 'baseline'; it has auto, "
                       "fp32, int8",
                       UsageError);
  use_kernels("auto");
}
