#include "tensor/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

using namespace vmoe;

using Block = std::array<uint32_t, 4>;

TEST_CASE("philox gives the known answers of the Random123 library") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // Counter and key are digits of pi.
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random bits are the blocks of philox, one after the other") {
  Random random(0x1122334455667788, Stream::test, 5, 9, 3);
  for (uint32_t block = 0; block < 3; ++block) {
    const auto want =
        philox({block, 9, 5, static_cast<uint32_t>(Stream::test) << 16 | 3}, {0x55667788, 0x11223344});
    for (const uint32_t bits : want) CHECK(random.bits() == bits);
  }
}

TEST_CASE(
    "the same place gives the same numbers; another seed, stream, epoch, position or layer gives others") {
  const auto first = [](Random random) {
    return std::vector{random.bits(), random.bits()};
  };  // braces keep order
  const auto here = first(Random(1, Stream::crop, 2, 3, 4));
  CHECK(here == first(Random(1, Stream::crop, 2, 3, 4)));
  CHECK(here != first(Random(2, Stream::crop, 2, 3, 4)));
  CHECK(here != first(Random(uint64_t{1} << 32 | 1, Stream::crop, 2, 3, 4)));
  CHECK(here != first(Random(1, Stream::flip, 2, 3, 4)));
  CHECK(here != first(Random(1, Stream::crop, 3, 3, 4)));
  CHECK(here != first(Random(1, Stream::crop, 2, 4, 4)));
  CHECK(here != first(Random(1, Stream::crop, 2, 3, 5)));
}

namespace {

struct Moments {
  double mean = 0, variance = 0;
};

template <class Draw>
Moments moments(int count, const Draw& draw) {
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double x = draw();
    sum += x;
    squares += x * x;
  }
  return {sum / count, squares / count - sum / count * (sum / count)};
}

constexpr int kDraws = 20000;
// A mean of n draws deviates by sigma / sqrt(n); five of those never happen with a fixed seed that was looked
// at once.
double five_sigma(double variance) {
  return 5 * std::sqrt(variance / kDraws);
}

}  // namespace

TEST_CASE("skipped numbers are those that would have been drawn") {
  for (const int skipped : {0, 1, 3, 4, 5, 8, 103}) {
    Random drawn(7, Stream::test, 1, 2, 3), skipping = drawn;
    for (int i = 0; i < skipped; ++i) drawn.bits();
    skipping.skip(static_cast<uint64_t>(skipped));
    for (int i = 0; i < 9; ++i) CHECK(skipping.bits() == drawn.bits());
  }
}

TEST_CASE("uniform numbers lie in [0, 1) with mean 1/2 and variance 1/12") {
  Random random(1, Stream::test);
  double low = 1, high = 0;
  const Moments m = moments(kDraws, [&] {
    const double x = random.uniform();
    low = std::min(low, x);
    high = std::max(high, x);
    return x;
  });
  CHECK(low >= 0);
  CHECK(low <= 0.001);
  CHECK(high < 1);
  CHECK(high >= 0.999);
  CHECK(std::fabs(m.mean - 0.5) <= five_sigma(1.0 / 12));
  CHECK(std::fabs(m.variance - 1.0 / 12) <= 0.005);
}

TEST_CASE("uniform numbers of a range stay in it") {
  Random random(2, Stream::test);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.uniform(-3, 5);
    REQUIRE(x >= -3);
    REQUIRE(x < 5);
  }
}

TEST_CASE("below(n) reaches every number below n about equally often, and no other") {
  for (const uint32_t n : {1u, 2u, 3u, 7u, 10u, 64u}) {
    CAPTURE(n);
    Random random(3, Stream::test, n);
    std::vector<int> counts(n);
    for (int i = 0; i < kDraws; ++i) {
      const uint32_t x = random.below(n);
      REQUIRE(x < n);
      ++counts[x];
    }
    const double mean = static_cast<double>(kDraws) / n;
    for (const int count : counts) CHECK(std::fabs(count - mean) <= 5 * std::sqrt(mean));
  }
}

TEST_CASE("below(n) has no bias where n does not divide 2^32: rejected products are drawn again") {
  // For n = 3 * 2^30 a plain multiply-shift would give the multiples of 3 twice the weight of the others.
  Random random(4, Stream::test);
  int multiples = 0;
  for (int i = 0; i < kDraws; ++i) multiples += random.below(3u << 30) % 3 == 0;
  CHECK(std::fabs(multiples - kDraws / 3.0) <= 5 * std::sqrt(kDraws * 2.0 / 9));
}

TEST_CASE("normal numbers have mean 0, variance 1 and the tails of the normal distribution") {
  Random random(5, Stream::test);
  int beyond_two = 0;
  const Moments m = moments(kDraws, [&] {
    const double x = random.normal();
    beyond_two += std::fabs(x) > 2;
    return x;
  });
  CHECK(std::fabs(m.mean) <= five_sigma(1));
  CHECK(std::fabs(m.variance - 1) <= five_sigma(2));
  const double share = std::erfc(2 / std::sqrt(2.0));
  CHECK(std::fabs(beyond_two - kDraws * share) <= 5 * std::sqrt(kDraws * share));
}

TEST_CASE("gamma numbers are positive with mean and variance equal to the shape, below and above 1") {
  for (const double shape : {0.1, 0.5, 1.0, 2.5, 20.0}) {
    CAPTURE(shape);
    Random random(6, Stream::test);
    const Moments m = moments(kDraws, [&] {
      const double x = random.gamma(shape);
      REQUIRE(x >= 0);
      return x;
    });
    CHECK(std::fabs(m.mean - shape) <= five_sigma(shape));
    // The variance of a squared deviation is 2 shape^2 + 6 shape.
    CHECK(std::fabs(m.variance - shape) <= five_sigma(2 * shape * shape + 6 * shape));
  }
}

TEST_CASE("beta numbers lie in [0, 1] with the mean and variance of the beta distribution") {
  for (const std::pair<double, double>& parameters :
       {std::pair{0.8, 0.8}, {1.0, 1.0}, {2.0, 5.0}, {0.2, 0.2}}) {
    const double a = parameters.first, b = parameters.second;
    CAPTURE(a);
    Random random(7, Stream::test);
    const Moments m = moments(kDraws, [&] {
      const double x = random.beta(a, b);
      REQUIRE(x >= 0);
      REQUIRE(x <= 1);
      return x;
    });
    const double variance = a * b / ((a + b) * (a + b) * (a + b + 1));
    CHECK(std::fabs(m.mean - a / (a + b)) <= five_sigma(variance));
    CHECK(std::fabs(m.variance - variance) <= 0.005);
  }
}

TEST_CASE("shuffle gives a permutation, every one of them about equally often") {
  std::map<std::vector<int>, int> seen;
  for (uint32_t i = 0; i < 6000; ++i) {
    std::vector<int> items = {1, 2, 3};
    shuffle(items.data(), 3, Random(8, Stream::shuffle, 0, i));
    ++seen[items];
  }
  CHECK(seen.size() == 6);
  for (const auto& [items, count] : seen) {
    CHECK(std::set<int>(items.begin(), items.end()) == std::set<int>{1, 2, 3});
    CHECK(std::abs(count - 1000) <= 150);
  }
}

TEST_CASE("shuffling nothing and one item leaves them") {
  int item = 5;
  shuffle(&item, 0, Random(1, Stream::shuffle));
  shuffle(&item, 1, Random(1, Stream::shuffle));
  CHECK(item == 5);
}
