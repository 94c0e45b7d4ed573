// What a model that only predicts holds in memory: every matrix once.

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tensor/packed_weights.h"
#include "tensor/random.h"

using namespace vmoe;

namespace {

constexpr size_t kPage = 1 << 16;  // bytes: at least the page of any system

// Two matrices and stacked experts of many pages each, between small parameters.
struct Store {
  Store() {
    bias = store.add("bias", {30}, Role::bias, Init::constant(1));
    matrix = store.add("matrix", {512, 512}, Role::weight, Init::normal(1));
    norm = store.add("norm", {512}, Role::norm, Init::constant(2));
    experts = store.add("experts", {3, 256, 512}, Role::weight, Init::normal(1), 3);
    positions = store.add("positions", {64, 512}, Role::position, Init::normal(1));
    store.allocate();
    store.initialise(7);
  }
  size_t bytes() const { return static_cast<size_t>(store.size()) * sizeof(real); }

  ParameterStore store;
  ParamId bias, matrix, norm, experts, positions;
};

// Asks for all experts, last first.
void ask_for_all(const PackedWeights& packed, ParamId experts) {
  for (int e = 2; e >= 0; --e) packed.of_expert(experts, e);
}

std::vector<real> numbers(const real* data, int64_t count) {
  return {data, data + count};
}

}  // namespace

TEST_CASE("weights that are packed and released lie in memory once") {
  Store s;
  CHECK(s.store.held_bytes() == s.bytes());
  PackedWeights packed(s.store, kernels(), false);
  const size_t matrices = (512 * 512 + 3 * 256 * 512) * sizeof(real);
  CHECK(packed.bytes() >= matrices);
  CHECK(packed.bytes() <= matrices + matrices / 20);  // panels may be padded
  packed.pack_and_release(s.store);
  ask_for_all(packed, s.experts);
  CHECK(s.store.held_bytes() + packed.bytes() <= s.bytes() + matrices / 20 + 4 * kPage);
  CHECK(s.store.held_bytes() >= s.bytes() - matrices);
}

TEST_CASE("packing and releasing packs the same numbers, and leaves those that were not packed alone") {
  Store kept, given;
  PackedWeights before(kept.store, kernels(), false), after(given.store, kernels(), false);
  before.pack_all();
  after.pack_and_release(given.store);
  ask_for_all(after, given.experts);
  for (const ParamId id : {kept.matrix, kept.experts}) {
    const PackedWeight &a = *before.of(id), &b = *after.of(id);
    const int64_t count = a.forward_stride * (id.index == kept.experts.index ? 3 : 1);
    CHECK(numbers(a.forward, count) == numbers(b.forward, count));
  }
  for (const ParamId id : {kept.bias, kept.norm, kept.positions}) {
    const Tensor a = kept.store.value(id), b = given.store.value(id);
    CHECK(numbers(a.data, a.count()) == numbers(b.data, b.count()));
  }
}

TEST_CASE("nobody can read a released weight by mistake") {
  Store s;
  PackedWeights packed(s.store, kernels(), false);
  packed.pack_and_release(s.store);
  CHECK_THROWS_WITH_AS(packed.pack(3), "'experts' was released; it cannot be packed again", Error);
  ask_for_all(packed, s.experts);
  for (const ParamId id : {s.matrix, s.experts}) {
    CHECK(s.store.value(id).data == nullptr);
    CHECK(s.store.value(id).shape == s.store[id].shape);
  }
  CHECK(s.store.value(s.norm).data != nullptr);
  CHECK_THROWS_WITH_AS(s.store.data(), "the weights of this model were released when they were packed",
                       Error);
  CHECK_THROWS_WITH_AS(packed.pack(0), "'matrix' was released; it cannot be packed again", Error);
}

TEST_CASE("experts are released one by one, in any order; the others stay") {
  Store s;
  const size_t expert = 256 * 512 * sizeof(real);
  s.store.release(s.experts, 1);
  CHECK(s.store.held_bytes() <= s.bytes() - expert + 2 * kPage);
  CHECK(s.store.held_bytes() >= s.bytes() - expert);
  CHECK(s.store.value(s.experts)[int64_t{256} * 512 - 1] != 0);  // the last number of the first one
  CHECK(s.store.value(s.experts)[int64_t{256} * 512 * 2] != 0);
  CHECK_FALSE(s.store.released(s.experts));
  s.store.release(s.experts, 2);
  s.store.release(s.experts, 0);
  CHECK(s.store.released(s.experts));
  CHECK(s.store.held_bytes() <= s.bytes() - 3 * expert + 6 * kPage);
}

TEST_CASE("an expert is packed when it is first asked for, once, whoever asks") {
  Store kept, given;
  PackedWeights before(kept.store, kernels(), false), after(given.store, kernels(), false);
  before.pack_all();
  CHECK(before.waiting() == 0);
  after.pack_and_release(given.store);
  CHECK(after.waiting() == 3);
  CHECK(given.store.released(given.matrix));
  const size_t held = given.store.held_bytes();
  const auto same = [&](int e) {
    const PackedWeight &a = *before.of(kept.experts), &b = *after.of_expert(given.experts, e);
    const int64_t size = a.forward_stride;
    return numbers(a.forward + e * size, size) == numbers(b.forward + e * size, size);
  };
  CHECK(same(1));
  CHECK(after.waiting() == 2);
  CHECK(given.store.held_bytes() < held);
  const size_t after_one = given.store.held_bytes();
  CHECK(same(1));
  CHECK(given.store.held_bytes() == after_one);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 3; ++j) right += same((i + j) % 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 24);
  CHECK(after.waiting() == 0);
  CHECK(given.store.released(given.experts));
}
