// Every fast kernel is held to its plain loop, on random shapes with the edges among them: 0, 1, N-1, N, N+1,
// 3N+2 numbers around the widest vector, aligned and not.

#include "tensor/kernels/kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tensor/arena.h"
#include "tensor/matmul.h"
#include "tensor/random.h"

using namespace vmoe;

namespace {

constexpr real kCanary = 12345;

// Numbers between two canaries, at an offset that is no multiple of a vector; outputs start as NaN.
class Guarded {
 public:
  Guarded(int64_t n, int offset) : n_(n), offset_(offset + 4), values_(n + offset + 8, kCanary) {
    for (real& value : *this) value = std::nanf("");
  }
  Guarded& fill(Random random, double low = -2, double high = 2) {
    for (real& value : *this) value = static_cast<real>(random.uniform(low, high));
    return *this;
  }
  real* data() { return values_.data() + offset_; }
  real* begin() { return data(); }
  real* end() { return data() + n_; }
  real operator[](int64_t i) { return data()[i]; }
  bool intact() const {
    for (size_t i = 0; i < values_.size(); ++i) {
      const bool outside = static_cast<int64_t>(i) < offset_ || static_cast<int64_t>(i) >= offset_ + n_;
      if (outside && values_[i] != kCanary) return false;
    }
    return true;
  }

 private:
  int64_t n_;
  int offset_;
  std::vector<real> values_;
};

const Kernels& plain() {
  return *available_kernels().front();
}

// Largest |a - b| / (1 + |b|); NaN where one of them is NaN and the other is not.
double worst(Guarded& a, Guarded& b, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double error = std::fabs(double{a[i]} - double{b[i]}) / (1 + std::fabs(double{b[i]}));
    if (!(error <= most)) most = error;
  }
  return most;
}

const std::vector<int64_t> kSizes = {1,  2,  3,  7,  8,  9,  15, 16,  17,  31,
                                     32, 33, 50, 63, 64, 65, 98, 191, 192, 257};

// Calls check(kernels, n, offset) for every fast table, size and alignment.
void for_all(const std::function<void(const Kernels&, int64_t, int)>& check) {
  for (const Kernels* fast : available_kernels()) {
    if (fast == &plain()) continue;
    INFO("instruction set " << fast->name);
    for (const int64_t n : kSizes) {
      for (const int offset : {0, 1, 3}) {
        INFO("n = " << n << ", offset " << offset);
        check(*fast, n, offset);
      }
    }
  }
}

using Unary = void (*)(int64_t, const real*, real*);
using Backward = void (*)(int64_t, const real*, const real*, real*, bool);
using BackwardToo = void (*)(int64_t, const real*, const real*, real*, bool, real*);  // the value beside it

void check_unary(Unary Kernels::*kernel, double low, double high, double tolerance) {
  for_all([&](const Kernels& fast, int64_t n, int offset) {
    Guarded x(n, offset), a(n, offset), b(n, offset);
    x.fill(Random(1, Stream::test, 0, static_cast<uint32_t>(n)), low, high);
    (fast.*kernel)(n, x.data(), a.data());
    (plain().*kernel)(n, x.data(), b.data());
    CHECK(worst(a, b, n) <= tolerance);
    CHECK(a.intact());
  });
}

// run(kernels, n, x, dy, dx, add) on a fast table and on the plain one.
template <class Run>
void check_gradient(double tolerance, const Run& run) {
  for_all([&](const Kernels& fast, int64_t n, int offset) {
    for (const bool add : {false, true}) {
      Guarded x(n, offset), dy(n, offset), a(n, offset), b(n, offset);
      x.fill(Random(1, Stream::test, 1, static_cast<uint32_t>(n)), -6, 6);
      dy.fill(Random(2, Stream::test, 1, static_cast<uint32_t>(n)));
      if (add) {
        a.fill(Random(3, Stream::test));
        b.fill(Random(3, Stream::test));
      }
      run(fast, n, x.data(), dy.data(), a.data(), add);
      run(plain(), n, x.data(), dy.data(), b.data(), add);
      CHECK(worst(a, b, n) <= tolerance);
      CHECK(a.intact());
    }
  });
}

void check_backward(Backward Kernels::*kernel, double tolerance) {
  check_gradient(tolerance, [=](const Kernels& table, auto... arguments) { (table.*kernel)(arguments...); });
}

// The same for a kernel that gives the value as well, of which every table must have the same bytes as from
// `value`.
void check_backward_too(BackwardToo Kernels::*kernel, Unary Kernels::*value, double tolerance) {
  check_gradient(tolerance,
                 [=](const Kernels& table, int64_t n, const real* x, const real* dy, real* dx, bool add) {
                   std::vector<real> sums(dx, dx + n);
                   Guarded y(n, 1), want(n, 2);
                   (table.*kernel)(n, x, dy, dx, add, y.data());
                   (table.*value)(n, x, want.data());
                   CHECK(std::memcmp(y.data(), want.data(), n * sizeof(real)) == 0);
                   CHECK(y.intact());
                   (table.*kernel)(n, x, dy, sums.data(), add, nullptr);
                   CHECK(std::memcmp(sums.data(), dx, n * sizeof(real)) == 0);
                 });
}

}  // namespace

TEST_CASE("the plain kernels come first and the widest last") {
  CHECK(std::string(plain().name) == "plain");
  CHECK(&kernels() == available_kernels().back());
}

TEST_CASE("an instruction set that the machine lacks is an error that lists what it has") {
  CHECK_THROWS_WITH_AS(use_kernels("sse9"), doctest::Contains("'sse9'; it has auto, plain"), UsageError);
}

TEST_CASE("ReLU and its gradient equal the plain loop, in every bit") {
  check_unary(&Kernels::relu, -1, 1, 0);
  check_backward(&Kernels::relu_backward, 0);
}
TEST_CASE("exact GELU of every instruction set equals the plain loop") {
  check_unary(&Kernels::gelu, -8, 8, 5e-7);
  check_unary(&Kernels::gelu, -100, 100, 5e-7);
}
TEST_CASE("tanh GELU of every instruction set equals the plain loop") {
  check_unary(&Kernels::gelu_tanh, -8, 8, 8e-7);
}
TEST_CASE("the gradient of exact GELU equals the plain loop") {
  check_backward_too(&Kernels::gelu_backward, &Kernels::gelu, 1e-6);
}
TEST_CASE("the gradient of tanh GELU equals the plain loop") {
  check_backward_too(&Kernels::gelu_tanh_backward, &Kernels::gelu_tanh, 2e-6);
}

TEST_CASE("sums, multiples and products equal the plain loops") {
  for_all([](const Kernels& fast, int64_t n, int offset) {
    Guarded x(n, offset), y(n, offset), a(n, offset), b(n, offset);
    x.fill(Random(1, Stream::test));
    y.fill(Random(2, Stream::test));
    fast.add(n, x.data(), y.data(), a.data());
    plain().add(n, x.data(), y.data(), b.data());
    CHECK(worst(a, b, n) <= 0);
    fast.scale(n, real{1.7f}, x.data(), a.data());
    plain().scale(n, real{1.7f}, x.data(), b.data());
    CHECK(worst(a, b, n) <= 0);
    fast.axpy(n, real{0.3f}, y.data(), a.data());
    plain().axpy(n, real{0.3f}, y.data(), b.data());
    CHECK(worst(a, b, n) <= 2e-7);
    for (const bool add : {true, false}) {
      fast.mul(n, x.data(), y.data(), a.data(), add);
      plain().mul(n, x.data(), y.data(), b.data(), add);
      CHECK(worst(a, b, n) <= 2e-7);
    }
    CHECK(std::fabs(fast.dot(n, x.data(), y.data()) - plain().dot(n, x.data(), y.data())) <= 1e-6 * n);
    CHECK(std::fabs(fast.sum_of_squares(n, x.data()) - plain().sum_of_squares(n, x.data())) <= 1e-12 * n);
    CHECK(a.intact());
  });
}

TEST_CASE("of no numbers and no rows every kernel makes nothing") {
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    Guarded x(0, 0), out(0, 1), m(0, 2), v(0, 3), statistics(0, 0);
    real* y = out.data();
    table->add(0, x.data(), x.data(), y);
    table->axpy(0, 2, x.data(), y);
    table->scale(0, 2, x.data(), y);
    for (const bool add : {false, true}) {
      table->mul(0, x.data(), x.data(), y, add);
      table->relu_backward(0, x.data(), x.data(), y, add);
      table->gelu_backward(0, x.data(), x.data(), y, add, y);
      table->gelu_tanh_backward(0, x.data(), x.data(), y, add, y);
      table->softmax_backward(0, 40, 40, 1, x.data(), x.data(), y, add);
    }
    table->relu(0, x.data(), y);
    table->gelu(0, x.data(), y);
    table->gelu_tanh(0, x.data(), y);
    table->softmax(0, 40, 40, 1, x.data(), y);
    table->layer_norm(0, 40, x.data(), nullptr, nullptr, 1, y, statistics.data(), statistics.data());
    table->add_rows(5, 0, x.data(), y);
    table->adamw(0, {}, x.data(), y, m.data(), v.data());
    CHECK(table->dot(0, x.data(), x.data()) == 0);
    CHECK(table->sum_of_squares(0, x.data()) == 0);
    std::vector<real> kept(40, 3);
    table->add_rows(0, 40, x.data(), kept.data());
    CHECK(std::count(kept.begin(), kept.end(), real{3}) == 40);
    CHECK((x.intact() && out.intact() && m.intact() && v.intact() && statistics.intact()));
  }
}

TEST_CASE("column sums equal the plain loop") {
  for_all([](const Kernels& fast, int64_t n, int offset) {
    Guarded x(5 * n, offset), a(n, offset), b(n, offset);
    x.fill(Random(1, Stream::test));
    a.fill(Random(2, Stream::test));
    b.fill(Random(2, Stream::test));
    fast.add_rows(5, n, x.data(), a.data());
    plain().add_rows(5, n, x.data(), b.data());
    CHECK(worst(a, b, n) <= 1e-6);
    CHECK(a.intact());
  });
}

TEST_CASE("layer norm and its gradients equal the plain loop") {
  for_all([](const Kernels& fast, int64_t n, int offset) {
    constexpr int64_t kRows = 3;
    Guarded x(kRows * n, offset), gain(n, offset), bias(n, offset), dy(kRows * n, offset);
    x.fill(Random(1, Stream::test), -1, 3);
    gain.fill(Random(2, Stream::test));
    bias.fill(Random(3, Stream::test));
    dy.fill(Random(4, Stream::test));
    for (const bool affine : {false, true}) {
      Guarded ya(kRows * n, offset), yb(kRows * n, offset), mean(kRows, 0), rstd(kRows, 0);
      real *g = affine ? gain.data() : nullptr, *s = affine ? bias.data() : nullptr;
      fast.layer_norm(kRows, n, x.data(), g, s, real{1e-5f}, ya.data(), mean.data(), rstd.data());
      plain().layer_norm(kRows, n, x.data(), g, s, real{1e-5f}, yb.data(), mean.data(), rstd.data());
      CHECK(worst(ya, yb, kRows * n) <= (n <= 3 ? 2e-4 : 4e-6));  // few numbers can lie close together
      CHECK(ya.intact());
      for (const bool add : {false, true}) {
        Guarded da(kRows * n, offset), db(kRows * n, offset), ga(n, offset), gb(n, offset), sa(n, offset),
            sb(n, offset);
        for (Guarded* start : {&da, &db, &ga, &gb, &sa, &sb}) start->fill(Random(5, Stream::test));
        fast.layer_norm_backward(kRows, n, x.data(), g, mean.data(), rstd.data(), dy.data(), da.data(), add,
                                 affine ? ga.data() : nullptr, affine ? sa.data() : nullptr);
        plain().layer_norm_backward(kRows, n, x.data(), g, mean.data(), rstd.data(), dy.data(), db.data(),
                                    add, affine ? gb.data() : nullptr, affine ? sb.data() : nullptr);
        CHECK(worst(da, db, kRows * n) <= (n <= 3 ? 2e-3 : 2e-5));
        CHECK(worst(ga, gb, n) <= 1e-5);
        CHECK(worst(sa, sb, n) <= 1e-6);
        CHECK((da.intact() && ga.intact() && sa.intact()));
      }
    }
  });
}

TEST_CASE("softmax and its gradient equal the plain loop") {
  for_all([](const Kernels& fast, int64_t n, int offset) {
    const int64_t stride = n + 3, rows = 4, count = rows * stride;
    Guarded x(count, offset), ya(count, offset), yb(count, offset), dy(count, offset);
    x.fill(Random(1, Stream::test), -30, 30);
    dy.fill(Random(2, Stream::test));
    ya.fill(Random(3, Stream::test));
    yb.fill(Random(3, Stream::test));
    fast.softmax(rows, n, stride, real{0.7f}, x.data(), ya.data());
    plain().softmax(rows, n, stride, real{0.7f}, x.data(), yb.data());
    CHECK(worst(ya, yb, count) <= 1e-6);
    for (const bool add : {false, true}) {
      Guarded da(count, offset), db(count, offset);
      da.fill(Random(4, Stream::test));
      db.fill(Random(4, Stream::test));
      fast.softmax_backward(rows, n, stride, real{0.7f}, yb.data(), dy.data(), da.data(), add);
      plain().softmax_backward(rows, n, stride, real{0.7f}, yb.data(), dy.data(), db.data(), add);
      CHECK(worst(da, db, count) <= 1e-6);
      CHECK(da.intact());
    }
    CHECK(ya.intact());
  });
}

TEST_CASE("NaN in a row comes out of every kernel as NaN") {
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    std::vector<real> x(40, real{1}), y(40), mean(1), rstd(1);
    x[20] = std::nanf("");
    table->softmax(1, 40, 40, 1, x.data(), y.data());
    CHECK(std::isnan(y[20]));
    table->gelu(40, x.data(), y.data());
    CHECK(std::isnan(y[20]));
    table->gelu_tanh(40, x.data(), y.data());
    CHECK(std::isnan(y[20]));
    table->relu(40, x.data(), y.data());
    CHECK(std::isnan(y[20]));
    table->layer_norm(1, 40, x.data(), nullptr, nullptr, real{1e-5f}, y.data(), mean.data(), rstd.data());
    CHECK(std::isnan(y[0]));
  }
}

TEST_CASE("an AdamW update equals the plain loop") {
  for_all([](const Kernels& fast, int64_t n, int offset) {
    const AdamWStep step{real(1e-2), real(.9), real(.999), real(1e-8),
                         real(.05),  real(.1), real(.001), real(.5)};
    Guarded g(n, offset), wa(n, offset), wb(n, offset), ma(n, offset), mb(n, offset), va(n, offset),
        vb(n, offset);
    g.fill(Random(1, Stream::test));
    for (Guarded* w : {&wa, &wb}) w->fill(Random(2, Stream::test));
    for (Guarded* m : {&ma, &mb}) m->fill(Random(3, Stream::test));
    for (Guarded* v : {&va, &vb}) v->fill(Random(4, Stream::test), 0, 1);
    fast.adamw(n, step, g.data(), wa.data(), ma.data(), va.data());
    plain().adamw(n, step, g.data(), wb.data(), mb.data(), vb.data());
    CHECK(worst(wa, wb, n) <= 1e-6);
    CHECK(worst(ma, mb, n) <= 1e-6);
    CHECK(worst(va, vb, n) <= 1e-6);
    CHECK((wa.intact() && ma.intact() && va.intact()));
  });
}

TEST_CASE("multiply-adds on registers are counted truly") {
  constexpr int64_t kRounds = 4;
  // x = x / 2 + 1/4 tends to 1/2; a chain that starts at c is c / 16 + (1 - 1/16) / 2 after four rounds. That
  // the chains differ is what keeps a compiler from computing one for all.
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    real total = 3;
    const int64_t flops = table->multiply_adds(kRounds, real{0.5f}, real{0.25f}, &total);
    const int64_t numbers = flops / (2 * kRounds), width = std::max(1, table->vector_bytes / 4);
    const int64_t chains = numbers / width;
    CHECK(chains >= 8);
    CHECK(flops == chains * width * 2 * kRounds);
    const double want = static_cast<double>(width) * (static_cast<double>(chains * (chains - 1)) / 32 +
                                                      static_cast<double>(chains) * 15 / 32);
    CHECK(std::fabs(total - 3 - want) <= 1e-5 * want);
    CHECK(table->multiply_adds(0, 1, 1, &total) == 0);
  }
}

namespace {

// One random product, by the kernel's packing and by three plain loops in double.
void check_product(const Kernels& table, Random random, int64_t m, int64_t n, int64_t k) {
  INFO(table.name << " m " << m << " n " << n << " k " << k);
  const bool a_turned = random.below(2), add = random.below(2), bias = random.below(2),
             base = random.below(2);
  const uint32_t b_layout = random.below(3);  // rows of numbers side by side, columns of them, neither
  const int64_t a_row = a_turned ? 1 : k + 2, a_column = a_turned ? m + 1 : 1;
  const int64_t b_rows[] = {n + 1, 1, 2 * n + 1}, b_columns[] = {1, k + 3, 2};
  const int64_t b_row = b_rows[b_layout], b_column = b_columns[b_layout], c_row = n + 5;
  Guarded a((m + 3) * (k + 3), 1), b((2 * n + 3) * (k + 4), 3), c(m * c_row, 1), start(m * c_row, 1),
      shift(n, 2), other(m * c_row, 3);
  other.fill(Random(8, Stream::test), -1, 1);
  a.fill(random, -1, 1);
  b.fill(random, -1, 1);
  c.fill(Random(7, Stream::test), -1, 1);
  start.fill(Random(7, Stream::test), -1, 1);
  shift.fill(random, -1, 1);
  Guarded packed(table.packed_size(k, n), 0);
  table.pack(k, n, b.data(), b_row, b_column, packed.data());
  CHECK(packed.intact());
  table.gemm({m, n, k, a.data(), a_row, a_column, packed.data(), c.data(), c_row, add,
              bias ? shift.data() : nullptr, base ? other.data() : nullptr});
  double error = 0;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < c_row; ++j) {
      double sum = start[i * c_row + j];
      if (j < n) {
        sum = base ? other[i * c_row + j] : add ? sum : 0;
        if (bias) sum += shift[j];
        for (int64_t p = 0; p < k; ++p)
          sum += double{a[i * a_row + p * a_column]} * b[p * b_row + j * b_column];
      }
      const double d = std::fabs(c[i * c_row + j] - sum);
      if (!(d <= error)) error = d;
    }
  }
  // k roundings of sums of random signs, which grow like sqrt(k).
  const double terms = static_cast<double>(k);
  CHECK(error <= 6e-8 * (terms + 3) * std::max(2.0, std::sqrt(terms) / 6));
  CHECK(c.intact());
}

}  // namespace

TEST_CASE("the packed product of every instruction set equals three loops on random shapes") {
  for (const Kernels* table : available_kernels()) {
    for (uint32_t i = 0; i < 60; ++i) {
      Random random(11, Stream::test, 0, i);
      const auto size = [&](uint32_t most) { return static_cast<int64_t>(1 + random.below(most)); };
      check_product(*table, random, size(70), size(90), size(60));
    }
  }
}

TEST_CASE(
    "the packed product handles one row, one column, K = 1, and more rows and terms than it takes at a "
    "time") {
  for (const Kernels* table : available_kernels()) {
    for (const auto [m, n, k] : {std::array{1, 1, 1},
                                 {1, 100, 1},
                                 {100, 1, 1},
                                 {1, 1, 100},
                                 {13, 33, 1},
                                 {13, 33, 0},
                                 {1, 33, 40},
                                 {203, 35, 9},
                                 {50, 33, 800},
                                 {300, 17, 385}}) {
      for (uint32_t layout = 0; layout < 24; ++layout)
        check_product(*table, Random(12, Stream::test, 0, layout), m, n, k);
    }
  }
}

TEST_CASE("an element of a product is the same bytes whatever rows and columns are beside it") {
  for (const Kernels* table : available_kernels()) {
    constexpr int64_t m = 29, n = 71, k = 901;
    Guarded a(m * k, 0), b(k * n, 0), whole(m * n, 0), part(m * n, 0);
    a.fill(Random(1, Stream::test));
    b.fill(Random(2, Stream::test));
    std::vector<real> packed(table->packed_size(k, n)), one(table->packed_size(k, 1));
    table->pack(k, n, b.data(), n, 1, packed.data());
    table->gemm({m, n, k, a.data(), k, 1, packed.data(), whole.data(), n, false, nullptr});
    for (int64_t j = 0; j < n; ++j) {
      table->pack(k, 1, b.data() + j, n, 1, one.data());
      for (int64_t i = 0; i < m; ++i) {
        table->gemm(
            {1, 1, k, a.data() + i * k, k, 1, one.data(), part.data() + i * n + j, n, false, nullptr});
      }
    }
    CHECK(std::memcmp(whole.data(), part.data(), m * n * sizeof(real)) == 0);
  }
}

TEST_CASE("OpenBLAS never stands in for the definition, nor for wider kernels than it serves already") {
  CHECK_FALSE(blas_serves(plain()));
  for (const char* core : {"SkylakeX", "Cooperlake", "SapphireRapids", "SKYLAKEX"}) {
    CAPTURE(core);
    CHECK(blas_vector_bytes(core) == 64);
  }
  CHECK((blas_vector_bytes("Haswell") == 32 && blas_vector_bytes("ZEN") == 32));
  CHECK(blas_vector_bytes("Prescott") == 16);
  bool served = true;
  for (size_t i = 1; i < available_kernels().size(); ++i) {
    const bool serves = blas_serves(*available_kernels()[i]);
    CHECK((served || !serves));  // tables stand from narrow to wide
    served = serves;
  }
}

TEST_CASE("the product by OpenBLAS that benchmarks use is the own one") {
  if (!has_blas()) {
    MESSAGE("skipped: built without OpenBLAS");
    return;
  }
  constexpr int64_t m = 5, n = 19, k = 8;
  for (const int layout : {0, 1, 2, 3}) {
    for (const bool add : {false, true}) {
      Guarded a(m * k, 0), b(k * n, 0), own(m * n, 0), blas(m * n, 0);
      a.fill(Random(1, Stream::test));
      b.fill(Random(2, Stream::test));
      own.fill(Random(3, Stream::test));
      blas.fill(Random(3, Stream::test));
      const Matrix left = layout & 1 ? Matrix{a.data(), 1, m} : Matrix{a.data(), k, 1};
      const Matrix right = layout & 2 ? Matrix{b.data(), 1, k} : Matrix{b.data(), n, 1};
      std::vector<real> scratch(kernels().packed_size(k, n));
      multiply_once(scratch.data(), m, n, k, left, right, own.data(), n, add);
      blas_multiply(m, n, k, left, right, blas.data(), n, add);
      CHECK(worst(blas, own, m * n) <= 2e-6);
      CHECK(blas.intact());
    }
  }
}

TEST_CASE("the weight gradient is dY^T X or adds it, with OpenBLAS and without") {
  for (const Kernels* table : available_kernels()) {
    use_kernels(table->name);
    for (const auto [rows, out, in] : {std::array{1, 1, 1}, {5, 7, 3}, {64, 48, 33}, {130, 20, 70}}) {
      Guarded dy(rows * out, 0), x(rows * in, 0), dw(out * in, 0), start(out * in, 0);
      dy.fill(Random(1, Stream::test));
      x.fill(Random(2, Stream::test));
      dw.fill(Random(3, Stream::test));
      start.fill(Random(3, Stream::test));
      Arena arena;
      const bool add = rows % 2 == 1;
      if (!add) dw.fill(Random(4, Stream::test));
      weight_gradient(arena, rows, out, in, dy.data(), x.data(), dw.data(), add);
      double error = 0;
      for (int64_t i = 0; i < out * in; ++i) {
        double sum = add ? start[i] : 0;
        for (int64_t r = 0; r < rows; ++r) sum += double{dy[r * out + i / in]} * x[r * in + i % in];
        const double d = std::fabs(dw[i] - sum);
        if (!(d <= error)) error = d;
      }
      CHECK(error <= 5e-7 * (rows + 3));
      CHECK(dw.intact());
    }
  }
  use_kernels("auto");
}
