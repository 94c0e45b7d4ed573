#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tensor/error.h"
#include "tensor/random.h"

namespace vmoe {

Holdout split_holdout(const std::vector<int>& labels, int classes, double fraction, uint64_t seed) {
  if (!(fraction >= 0 && fraction < 1)) {
    throw UsageError("hold-out " + std::to_string(fraction) + " must be at least 0 and below 1");
  }
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) {
    members[static_cast<size_t>(labels[i])].push_back(static_cast<int64_t>(i));
  }
  Holdout split;
  for (size_t label = 0; label < members.size(); ++label) {
    std::vector<int64_t>& images = members[label];
    const auto count = static_cast<int64_t>(images.size());
    int64_t held = 0;
    if (fraction > 0 && count >= 2) {
      held = std::clamp<int64_t>(static_cast<int64_t>(std::floor(fraction * count + 0.5)), 1, count - 1);
    }
    shuffle(images.data(), static_cast<uint32_t>(count),
            Random(seed, Stream::split, 0, static_cast<uint32_t>(label)));
    split.holdout.insert(split.holdout.end(), images.begin(), images.begin() + held);
    split.train.insert(split.train.end(), images.begin() + held, images.end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.holdout.begin(), split.holdout.end());
  return split;
}

}  // namespace vmoe
