#include "tensor/arena.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "tensor/random.h"
#include "tests/support/allocation_count.h"

using namespace vmoe;
using namespace vmoe::testing;

TEST_CASE("an arena hands out aligned memory that does not overlap, whatever the sizes") {
  Arena arena;
  Random random(1, Stream::test);
  std::vector<std::pair<unsigned char*, size_t>> pieces;
  for (int i = 0; i < 300; ++i) {
    const size_t bytes = random.below(i % 10 == 0 ? 300000 : 500);
    auto* memory = static_cast<unsigned char*>(arena.allocate_bytes(bytes));
    REQUIRE(reinterpret_cast<uintptr_t>(memory) % Arena::kAlignment == 0);
    std::memset(memory, i % 251, bytes);
    pieces.emplace_back(memory, bytes);
  }
  for (int i = 0; i < 300; ++i) {
    bool kept = true;
    for (size_t byte = 0; byte < pieces[i].second; ++byte) kept &= pieces[i].first[byte] == i % 251;
    CHECK(kept);
  }
}

TEST_CASE("even empty pieces have addresses of their own") {
  Arena arena;
  CHECK(arena.allocate_bytes(0) != arena.allocate_bytes(0));
}

TEST_CASE("a tensor of the arena has its shape and room for all its numbers") {
  Arena arena;
  const Tensor t = arena.tensor({3, 4, 5});
  CHECK(to_string(t.shape) == "[3, 4, 5]");
  for (real& x : t) x = 1;
  CHECK(arena.used() >= 60 * sizeof(real));
}

TEST_CASE("reset gives the same memory again, in one block") {
  Arena arena;
  for (int i = 0; i < 20; ++i) arena.allocate_bytes(1 << 20);
  const size_t high_water = arena.high_water();
  CHECK(high_water == size_t{20} << 20);
  arena.reset();
  CHECK(arena.used() == 0);
  void* const first = arena.allocate_bytes(1 << 20);
  auto* last = static_cast<unsigned char*>(first);
  for (int i = 1; i < 20; ++i) {
    auto* next = static_cast<unsigned char*>(arena.allocate_bytes(1 << 20));
    CHECK(next == last + (1 << 20));
    last = next;
  }
  arena.reset();
  CHECK(arena.allocate_bytes(10) == first);
  CHECK(arena.high_water() == high_water);
}

TEST_CASE("a steady state allocates nothing") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: this build's malloc cannot be counted (sanitizer, or no glibc)");
    return;
  }
  Arena arena;
  int64_t before = 0;
  for (int chunk = 0; chunk < 4; ++chunk) {
    arena.reset();
    if (chunk == 2) before = allocation_count();
    for (int i = 0; i < 10; ++i) arena.allocate_bytes(700000);
  }
  CHECK(allocation_count() == before);
}

TEST_CASE("release goes back to a mark, also over a block's border") {
  Arena arena;
  arena.allocate_bytes(1000);
  const size_t used = arena.used();
  const Arena::Mark mark = arena.mark();
  void* const behind = arena.allocate_bytes(64);
  for (int i = 0; i < 5; ++i) arena.allocate_bytes(1 << 20);
  arena.release(mark);
  CHECK(arena.used() == used);
  CHECK(arena.allocate_bytes(64) == behind);
  for (int i = 0; i < 5; ++i) std::memset(arena.allocate_bytes(1 << 20), i, 1 << 20);
}

TEST_CASE("an arena holds what was reserved or has grown, whether it is in use or not") {
  Arena arena;
  CHECK(arena.capacity() == 0);
  arena.reserve(1 << 20);
  CHECK(arena.capacity() == 1 << 20);
  arena.allocate_bytes(1 << 20);
  arena.allocate_bytes(1 << 20);
  CHECK(arena.capacity() == 2 << 20);
  arena.reset();
  CHECK(arena.capacity() == 2 << 20);
}

TEST_CASE("reserve makes room at once") {
  Arena arena;
  arena.reserve(10 << 20);
  auto* first = static_cast<unsigned char*>(arena.allocate_bytes(6 << 20));
  auto* second = static_cast<unsigned char*>(arena.allocate_bytes(4 << 20));
  CHECK(second == first + (6 << 20));
}
