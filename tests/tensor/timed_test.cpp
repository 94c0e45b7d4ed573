// The table that times every entry: it forgets none, changes no result, and tells products apart.

#include "tensor/kernels/timed.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <thread>
#include <vector>

#include "tensor/arena.h"
#include "tensor/matmul.h"

using namespace vmoe;

namespace {

// The timed form of a table, in use as long as it lives.
class InUse {
 public:
  explicit InUse(const Kernels& table = kernels()) : before_(kernels()) {
    use_kernels(timed_kernels(table));
    clear_kernel_times();
  }
  ~InUse() { use_kernels(before_); }

 private:
  const Kernels& before_;
};

KernelTime time_of(const std::string& name) {
  for (const KernelTime& time : kernel_times()) {
    if (time.name == name) return time;
  }
  return {name};
}

std::vector<real> numbers(int64_t count, real step) {
  std::vector<real> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<real>(i % 17) * step - 1;
  return values;
}

}  // namespace

TEST_CASE("every entry of the timed table is a timed one") {
  const Kernels& base = kernels();
  const Kernels& timed = timed_kernels(base);
  CHECK(timed.name == base.name);
  CHECK(timed.panel == base.panel);
  CHECK(timed.vector_bytes == base.vector_bytes);
  using Word = void (*)();
  for (size_t at = offsetof(Kernels, pack); at < sizeof(Kernels); at += sizeof(Word)) {
    CAPTURE(at);
    CHECK(std::memcmp(reinterpret_cast<const char*>(&timed) + at, reinterpret_cast<const char*>(&base) + at,
                      sizeof(Word)) != 0);
  }
  CHECK(&timed_kernels(timed) == &timed);  // not a table that times itself
}

TEST_CASE("a timed table computes the same, and counts calls and the work of products") {
  constexpr int64_t m = 7, n = 21, k = 5;
  const std::vector<real> a = numbers(m * k, real{0.25f}), b = numbers(k * n, real{0.5f});
  std::vector<real> packed(kernels().packed_size(k, n)), want(m * n), got(m * n);
  multiply_once(packed.data(), m, n, k, {a.data(), k, 1}, {b.data(), n, 1}, want.data(), n, false);
  const InUse timed;
  for (int i = 0; i < 3; ++i) {
    multiply_once(packed.data(), m, n, k, {a.data(), k, 1}, {b.data(), n, 1}, got.data(), n, false);
  }
  CHECK(std::memcmp(want.data(), got.data(), m * n * sizeof(real)) == 0);
  CHECK(time_of("pack").calls == 3);
  CHECK(time_of("pack").flops == 0);
  CHECK(time_of("gemm attention").calls == 3);
  CHECK(time_of("gemm attention").flops == 3 * 2 * m * n * k);
  CHECK(kernel_times().size() == 2);
  clear_kernel_times();
  CHECK(kernel_times().empty());
}

TEST_CASE("products are told apart by what they compute") {
  constexpr int64_t rows = 9, out = 20, in = 6;
  const std::vector<real> x = numbers(rows * in, 1), dy = numbers(rows * out, 1), w = numbers(out * in, 1),
                          bias = numbers(out, 1);
  std::vector<real> y(rows * out), dx(rows * in), scratch(4096);
  Arena arena;
  const InUse timed;
  const real* forward = pack_in(arena, in, out, {w.data(), 1, in});
  const real* backward = pack_in(arena, out, in, {w.data(), in, 1});
  pack_in(arena, 1, 1, {w.data(), 1, 1});
  kernels().gemm({rows, out, in, x.data(), in, 1, forward, y.data(), out, false, bias.data()});
  kernels().gemm({rows, in, out, dy.data(), out, 1, backward, dx.data(), in, false, nullptr});
  CHECK(time_of("gemm Y = X W^T").calls == 1);
  CHECK(time_of("gemm dX = dY W").calls == 1);

  // dV = P^T dY of a head lies between those of the others.
  multiply_once(scratch.data(), in, out, rows, {x.data(), 1, in}, {dy.data(), out, 1}, y.data(), out + 1,
                false);
  CHECK(time_of("gemm attention dV dK").calls == 1);
}

TEST_CASE(
    "a weight gradient is timed, whether OpenBLAS computes it or the own kernel, and only when asked for") {
  constexpr int64_t rows = 9, out = 20, in = 6;
  const std::vector<real> x = numbers(rows * in, 1), dy = numbers(rows * out, 1);
  std::vector<real> dw(out * in);
  Arena arena;
  for (const Kernels* table : available_kernels()) {
    CAPTURE(table->name);
    {
      const InUse timed(*table);
      weight_gradient(arena, rows, out, in, dy.data(), x.data(), dw.data(), false);
      const char* gradient = blas_serves(*table) ? "OpenBLAS dW = dY^T X" : "gemm dW = dY^T X";
      CHECK(time_of(gradient).calls == 1);
      CHECK(time_of(gradient).flops == 2 * rows * out * in);
    }
    clear_kernel_times();
    use_kernels(*table);
    weight_gradient(arena, rows, out, in, dy.data(), x.data(), dw.data(), false);
    CHECK(kernel_times().empty());
  }
  use_kernels("auto");
}

TEST_CASE("products of fewer bits are timed by what they compute, coding and packing beside them") {
  constexpr int64_t rows = 9, out = 20, in = 6;
  const std::vector<real> x = numbers(rows * in, 1), dy = numbers(rows * out, 1), w = numbers(out * in, 1),
                          bias = numbers(out, 1);
  for (const Kernels* table : available_kernels()) {
    const InUse timed(*table);
    const NarrowKernels* bf16 = training_kernels(Precision::bf16);
    if (!bf16) continue;
    CAPTURE(table->name);
    clear_kernel_times();
    std::vector<std::byte> forward(bf16->packed_bytes(in, out)), backward(bf16->packed_bytes(out, in));
    bf16->pack(in, out, w.data(), in, forward.data());
    bf16->pack_transposed(out, in, w.data(), in, backward.data());
    std::vector<real> y(rows * out), dx(rows * in), dw(out * in);
    Arena arena;
    multiply(arena, Team::alone(), *bf16, {rows, out, in, x.data(), forward.data(), y.data(), bias.data()});
    multiply(arena, Team::alone(), *bf16, {rows, in, out, dy.data(), backward.data(), dx.data(), nullptr});
    weight_gradient(arena, *bf16, rows, out, in, dy.data(), x.data(), dw.data(), false);
    for (const char* product : {"narrow Y = X W^T", "narrow dX = dY W", "narrow dW = dY^T X"}) {
      CAPTURE(product);
      CHECK(time_of(product).calls == 1);
      CHECK(time_of(product).flops == 2 * rows * out * in);
    }
    CHECK(time_of("narrow encode").calls == 3);
  }
  use_kernels("auto");
}

TEST_CASE("what a thread computed counts, also when it has ended") {
  const InUse timed;
  std::vector<real> x(8, 1), y(8);
  std::thread([&] { kernels().scale(8, 2, x.data(), y.data()); }).join();
  kernels().scale(8, 2, x.data(), y.data());
  CHECK(time_of("scale").calls == 2);
}
