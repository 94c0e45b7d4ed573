#include "train/study/bootstrap.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

constexpr int kRepeats = 2000;

// Sums over seeds of a - b, by image: whole numbers, so that no order of sums matters.
std::vector<int64_t> sums_of(std::span<const std::vector<uint8_t>> a,
                             std::span<const std::vector<uint8_t>> b) {
  if (a.empty() || a.size() != b.size())
    throw ShapeError("paired difference of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                     " models; both sides need as many, at least one");
  std::vector<int64_t> sums(a[0].size());
  for (size_t s = 0; s < a.size(); ++s) {
    if (a[s].size() != sums.size() || b[s].size() != sums.size() || sums.empty())
      throw ShapeError("paired difference: the models of seed " + std::to_string(s) +
                       " were not tested on the same images");
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += a[s][i] - b[s][i];
  }
  return sums;
}

}  // namespace

Difference paired_difference(std::span<const std::vector<uint8_t>> a, std::span<const std::vector<uint8_t>> b,
                             uint64_t seed) {
  const std::vector<int64_t> sums = sums_of(a, b);
  const auto n = static_cast<uint32_t>(sums.size());
  int64_t total = 0;
  for (const int64_t sum : sums) total += sum;
  std::vector<int64_t> totals(kRepeats);
  for (uint32_t repeat = 0; repeat < kRepeats; ++repeat) {
    Random random(seed, Stream::split, /*epoch=*/0, repeat, /*layer=*/1);  // layer 0 splits training sets
    for (uint32_t i = 0; i < n; ++i) totals[repeat] += sums[random.below(n)];
  }
  std::sort(totals.begin(), totals.end());
  const double points = 100.0 / (static_cast<double>(n) * static_cast<double>(a.size()));
  const auto quantile = [&](int per_mille) {
    return points * static_cast<double>(totals[static_cast<size_t>((kRepeats - 1) * per_mille / 1000)]);
  };
  return {points * static_cast<double>(total), quantile(25), quantile(975)};
}

}  // namespace vmoe
