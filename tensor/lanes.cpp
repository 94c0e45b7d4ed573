#include "tensor/lanes.h"

#include <algorithm>

namespace vmoe {

namespace {

constexpr int64_t kRows = 384;
constexpr int64_t kMostImages = 32;

int64_t pairs_of(int64_t images) {
  return (images + 1) / 2;
}

}  // namespace

int64_t LanePlan::first(int lane) const {
  return std::min(images, 2 * (pairs_of(images) * lane / lanes));
}

LanePlan plan_lanes(int64_t images, int lanes, int64_t tokens) {
  const int64_t pairs = pairs_of(images), used = std::clamp<int64_t>(lanes, 1, pairs);
  const int64_t pairs_in_lane = (pairs + used - 1) / used;
  const int64_t most_pairs = std::clamp<int64_t>((kRows + tokens) / (2 * tokens), 1, kMostImages / 2);
  const int64_t chunks = (pairs_in_lane + most_pairs - 1) / most_pairs;
  return {images, static_cast<int>(used), static_cast<int>(2 * ((pairs_in_lane + chunks - 1) / chunks))};
}

}  // namespace vmoe
