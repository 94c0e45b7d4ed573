#include "train/study/bootstrap.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

constexpr int kRepeats = 2000;

// a - b [n, S]. Whole numbers: no order of sums matters.
std::vector<int8_t> differences_of(std::span<const std::vector<uint8_t>> a,
                                   std::span<const std::vector<uint8_t>> b) {
  if (a.empty() || a.size() != b.size())
    throw ShapeError("paired difference of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                     " models; both sides need as many, at least one");
  const size_t seeds = a.size(), images = a[0].size();
  std::vector<int8_t> differences(images * seeds);
  for (size_t s = 0; s < seeds; ++s) {
    if (a[s].size() != images || b[s].size() != images || images == 0)
      throw ShapeError("paired difference: the models of seed " + std::to_string(s) +
                       " were not tested on the same images");
    for (size_t i = 0; i < images; ++i) differences[i * seeds + s] = static_cast<int8_t>(a[s][i] - b[s][i]);
  }
  return differences;
}

}  // namespace

Difference paired_difference(std::span<const std::vector<uint8_t>> a, std::span<const std::vector<uint8_t>> b,
                             uint64_t seed) {
  const std::vector<int8_t> differences = differences_of(a, b);
  const auto seeds = static_cast<uint32_t>(a.size());
  const auto images = static_cast<uint32_t>(differences.size() / seeds);
  int64_t total = 0;
  for (const int8_t difference : differences) total += difference;
  std::vector<int64_t> totals(kRepeats);
  std::vector<int> drawn(seeds);  // how often
  for (uint32_t repeat = 0; repeat < kRepeats; ++repeat) {
    Random random(seed, Stream::split, /*epoch=*/0, repeat, /*layer=*/1);  // layer 0 splits training sets
    std::fill(drawn.begin(), drawn.end(), 0);
    for (uint32_t s = 0; s < seeds; ++s) ++drawn[random.below(seeds)];
    for (uint32_t i = 0; i < images; ++i) {
      const int8_t* of_image = differences.data() + size_t{random.below(images)} * seeds;
      for (uint32_t s = 0; s < seeds; ++s) totals[repeat] += drawn[s] * of_image[s];
    }
  }
  std::sort(totals.begin(), totals.end());
  const double points = 100.0 / static_cast<double>(differences.size());
  constexpr size_t kOutside = kRepeats * 25 / 1000;  // draws below the interval, and as many above it
  return {.mean = points * static_cast<double>(total),
          .low = points * static_cast<double>(totals[kOutside]),
          .high = points * static_cast<double>(totals[kRepeats - 1 - kOutside]),
          .seeds = static_cast<int>(seeds)};
}

}  // namespace vmoe
