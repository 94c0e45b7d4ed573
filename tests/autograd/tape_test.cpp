// The tape itself: what it records, what it adds, and what memory it takes.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "autograd/ops.h"
#include "tests/support/allocation_count.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {
namespace {

std::vector<real> numbers_of(const Tensor& t) {
  return {t.begin(), t.end()};
}

// A small model with every kind of parameter: two experts' linear layers behind a dense one.
struct Model {
  ParameterStore store;
  ParamId weight = store.add("weight", {6, 4}, Role::weight, Init::normal(1));
  ParamId bias = store.add("bias", {6}, Role::bias, Init::normal(1));
  ParamId experts = store.add("experts", {3, 5, 6}, Role::weight, Init::normal(1), 3);
  ParamId expert_bias = store.add("expert_bias", {3, 5}, Role::bias, Init::normal(1), 3);
  std::vector<real> input, targets;
  std::vector<int> first;

  explicit Model(std::vector<int> rows_of_experts) : first(std::move(rows_of_experts)) {
    store.allocate();
    store.initialise(1);
    Random random(9, Stream::test);
    for (int i = 0; i < first.back() * 4; ++i) input.push_back(static_cast<real>(random.normal()));
    targets.assign(first.back() * 5, real(0.2));
  }

  Var loss(Tape& tape) {
    const Var x = tape.constant({input.data(), {first.back(), 4}});
    const Var h = gelu(tape, linear(tape, x, tape.parameter(weight), tape.parameter(bias)));
    const Var y = expert_linear(tape, h, tape.parameter(experts), tape.parameter(expert_bias),
                                {first.data(), {static_cast<int64_t>(first.size())}});
    return softmax_cross_entropy(tape, y, {targets.data(), {first.back(), 5}});
  }
};

}  // namespace

TEST_CASE("a value used twice gets the sum of both gradients") {
  Arena arena;
  Tape tape(arena);
  std::vector<real> x = {1, 2, 3};
  const Var v = tape.leaf({x.data(), {3}});
  tape.backward(sum(tape, add(tape, scale(tape, v, 2), mul(tape, v, v))));  // d/dx (2 x + x^2) = 2 + 2 x
  CHECK(numbers_of(tape.grad(v)) == std::vector<real>{4, 6, 8});
}

TEST_CASE("backward of two scalars of one tape adds both gradients, of what they share as well") {
  Arena arena;
  Tape tape(arena);
  std::vector<real> x = {1, 2, 3};
  const Var v = tape.leaf({x.data(), {3}});
  const Var shared = scale(tape, v, 2);
  const Var first = sum(tape, shared), second = sum(tape, mul(tape, shared, shared));
  tape.backward(first);
  tape.backward(second);  // 2 + d/dx (4 x^2)
  CHECK(numbers_of(tape.grad(v)) == std::vector<real>{10, 18, 26});
}

TEST_CASE("backward starts from the seed it is given") {
  Arena arena;
  Tape tape(arena);
  std::vector<real> x = {1, 2};
  const Var v = tape.leaf({x.data(), {2}});
  tape.backward(sum(tape, v), real(0.25));
  CHECK(numbers_of(tape.grad(v)) == std::vector<real>{real(0.25), real(0.25)});
}

TEST_CASE("a leaf that the scalar does not depend on has gradient zero") {
  Arena arena;
  poison(arena);
  Tape tape(arena);
  std::vector<real> x = {1, 2};
  const Var used = tape.leaf({x.data(), {2}}), unused = tape.leaf({x.data(), {2}});
  relu(tape, unused);
  tape.backward(sum(tape, used));
  CHECK(numbers_of(tape.grad(unused)) == std::vector<real>{0, 0});
}

TEST_CASE("nothing is recorded for constants") {
  Arena arena;
  Tape tape(arena);
  std::vector<real> x = {1, 2};
  const Var c = tape.constant({x.data(), {2}});
  CHECK_FALSE(tape.wants_grad(c));
  CHECK_FALSE(tape.wants_grad(scale(tape, c, 2)));
  CHECK_FALSE(tape.wants_grad(Var{}));
  CHECK(tape.wants_grad(add(tape, c, tape.leaf({x.data(), {2}}))));
  CHECK_NOTHROW(tape.backward(sum(tape, c)));
}

TEST_CASE("backward wants a scalar, and a tape that records") {
  Arena arena;
  Tape tape(arena);
  std::vector<real> x = {1, 2};
  CHECK_THROWS_AS(tape.backward(tape.leaf({x.data(), {2}})), ShapeError);
  CHECK_THROWS_AS(tape.value(Var{}), ShapeError);
  Model model({0, 2, 4, 6});
  const PackedWeights packed(model.store, kernels(), false);
  Tape inference(arena, model.store, packed);
  CHECK_THROWS_AS(inference.backward(model.loss(inference)), Error);
}

TEST_CASE("a tape for inference records nothing and computes the same bytes as a tape for training") {
  Model model({0, 2, 2, 7});
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena training_arena, inference_arena;
  Tape training(training_arena, model.store, packed, gradients);
  Tape inference(inference_arena, model.store, packed);
  const Var a = model.loss(training), b = model.loss(inference);
  CHECK(training.recording());
  CHECK_FALSE(inference.recording());
  CHECK(training.wants_grad(a));
  CHECK_FALSE(inference.wants_grad(b));
  CHECK_FALSE(inference.wants_grad(inference.parameter(model.weight)));
  CHECK(std::memcmp(training.value(a).data, inference.value(b).data, sizeof(real)) == 0);
  CHECK(inference_arena.used() < training_arena.used());
}

TEST_CASE("a parameter is one node per chunk, and its gradient adds up over chunks until it is cleared") {
  Model model({0, 1, 2, 4});
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena arena;
  Tape tape(arena, model.store, packed, gradients);
  CHECK(tape.parameter(model.weight).id == tape.parameter(model.weight).id);
  CHECK(tape.param(tape.parameter(model.bias)).index == model.bias.index);
  tape.reset();
  tape.backward(model.loss(tape));
  const std::vector<real> once = numbers_of(gradients.of(model.weight));
  tape.reset();
  tape.backward(model.loss(tape));
  const Tensor twice = gradients.of(model.weight);
  std::vector<double> want;
  for (const real d : once) want.push_back(2.0 * d);
  CHECK_COMPARISON(
      compare("two chunks", std::span<const real>(twice.begin(), twice.end()), want, 8 * kEpsilon));
  gradients.clear();
  for (const real d : gradients.of(model.weight)) CHECK(d == 0);
  CHECK_FALSE(gradients.touched(model.experts, 0));
}

TEST_CASE("an expert without rows is not touched and its gradient is exactly zero") {
  Model model({0, 3, 3, 5});  // the middle one has none
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena arena;
  poison(arena);
  Tape tape(arena, model.store, packed, gradients);
  tape.backward(model.loss(tape));
  for (const ParamId id : {model.experts, model.expert_bias}) {
    CHECK(gradients.touched(id, 0));
    CHECK_FALSE(gradients.touched(id, 1));
    CHECK(gradients.touched(id, 2));
  }
  BatchGradient total(model.store);
  gradients.add_to(total);
  total.complete();
  const Tensor d = model.store.view(model.experts, total.data());
  for (const real value : d.row(1)) CHECK(value == 0);
  double others = 0;
  for (const int e : {0, 2}) {
    for (const real value : d.row(e)) others += value * value;
  }
  CHECK(others > 0);
}

TEST_CASE("a batch's gradient is the sum of its lanes, and zero where none of them was") {
  Model model({0, 3, 3, 3});  // all rows are the first expert's
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena arena;
  Tape tape(arena, model.store, packed, gradients);
  tape.backward(model.loss(tape));
  const std::vector<real> once = numbers_of(gradients.of(model.weight)),
                          expert = numbers_of(gradients.of_expert(model.experts, 0));
  BatchGradient batch(model.store);
  for (int lanes = 1; lanes <= 3; ++lanes) {
    CAPTURE(lanes);
    std::fill(batch.data(), batch.data() + model.store.size(), real{7});  // of the batch before
    batch.clear();
    for (int lane = 0; lane < lanes; ++lane) gradients.add_to(batch);
    batch.complete();
    const Tensor experts = model.store.view(model.experts, batch.data());
    const auto check_sum = [&](const Tensor& sum, const std::vector<real>& part) {
      for (int64_t i = 0; i < sum.count(); ++i)
        CHECK(std::fabs(sum[i] - lanes * part[i]) <= 2 * kEpsilon * std::fabs(sum[i]));
    };
    check_sum(model.store.view(model.weight, batch.data()), once);
    check_sum(experts.row(0), expert);
    for (const int untouched : {1, 2}) {
      for (const real value : experts.row(untouched)) CHECK(value == 0);
    }
  }
}

TEST_CASE("the gradient of all experts at once is refused") {
  Model model({0, 1, 1, 1});
  Gradients gradients(model.store, 3);
  CHECK_THROWS_AS(gradients.of(model.experts), ShapeError);
}

TEST_CASE("reset forgets nodes and uses the same memory again, with the same bytes") {
  Model model({0, 4, 6, 9});
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena arena;
  Tape tape(arena, model.store, packed, gradients);
  size_t high_water = 0;
  std::vector<real> first_gradient, first_expert;
  for (int chunk = 0; chunk < 4; ++chunk) {
    CAPTURE(chunk);
    tape.reset();
    CHECK(arena.used() == 0);
    gradients.clear();
    tape.backward(model.loss(tape));
    if (chunk == 0) {
      high_water = arena.high_water();
      first_gradient = numbers_of(gradients.of(model.weight));
      first_expert = numbers_of(gradients.of_expert(model.experts, 1));
    }
    CHECK(arena.high_water() == high_water);
    CHECK(numbers_of(gradients.of(model.weight)) == first_gradient);
    CHECK(numbers_of(gradients.of_expert(model.experts, 1)) == first_expert);
  }
}

TEST_CASE("after the first chunk nothing is allocated") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: this build's malloc cannot be counted (sanitizer, or no glibc)");
    return;
  }
  Model model({0, 4, 6, 9});
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena arena;
  Tape tape(arena, model.store, packed, gradients);
  int64_t before = 0;
  for (int chunk = 0; chunk < 5; ++chunk) {
    if (chunk == 1) before = allocation_count();
    tape.reset();
    gradients.clear();
    tape.backward(model.loss(tape));
  }
  CHECK(allocation_count() - before == 0);
}

TEST_CASE("a tape with the room of another one allocates nothing, also in its first chunk") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: this build's malloc cannot be counted (sanitizer, or no glibc)");
    return;
  }
  Model model({0, 4000, 6000, 9000});  // more than an arena's first block holds
  PackedWeights packed(model.store, kernels(), true);
  packed.pack_all();
  Gradients gradients(model.store, 3);
  Arena busy_arena, late_arena;
  Tape busy(busy_arena, model.store, packed, gradients), late(late_arena, model.store, packed, gradients);
  busy.backward(model.loss(busy));
  Arena idle_arena;
  Tape idle(idle_arena, model.store, packed, gradients);
  idle.reset_with_room_of(busy);
  late.reset_with_room_of(idle);  // also by way of one that has run nothing itself
  gradients.clear();
  const int64_t before = allocation_count();
  const std::byte* const start = late_arena.allocate<std::byte>(1);
  late.reset();
  late.backward(model.loss(late));
  CHECK(allocation_count() - before == 0);
  late.reset();
  CHECK(late_arena.allocate<std::byte>(1) == start);  // still its only block
  const auto rest = static_cast<int64_t>(late_arena.high_water() - Arena::kAlignment);
  CHECK(late_arena.allocate<std::byte>(rest) == start + Arena::kAlignment);
}

TEST_CASE("the counter of allocations sees every way to allocate") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: this build's malloc cannot be counted (sanitizer, or no glibc)");
    return;
  }
  const auto counted = [](void* (*allocate)(), void (*release)(void*)) {
    const int64_t before = allocation_count();
    void* volatile memory = allocate();  // volatile: the compiler must not leave out the pair
    const int64_t calls = allocation_count() - before;
    release(memory);
    return calls;
  };
  CHECK(counted([] { return std::malloc(10); }, std::free) == 1);
  CHECK(counted([] { return std::calloc(2, 10); }, std::free) == 1);
  CHECK(counted([] { return std::realloc(nullptr, 10); }, std::free) == 1);
  CHECK(counted([] { return std::aligned_alloc(64, 128); }, std::free) == 1);
  CHECK(counted([] { return ::operator new(10); }, [](void* memory) { ::operator delete(memory); }) == 1);
  CHECK(counted([] { return ::operator new (10, std::align_val_t{64}); },
                [](void* memory) { ::operator delete (memory, std::align_val_t{64}); }) == 1);
}

}  // namespace vmoe::testing
