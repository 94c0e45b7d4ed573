#pragma once
// Preprocessing of S x S images whose channels all have one mean and deviation.

#include "data/preprocess.h"

namespace vmoe::testing {

inline Preprocess preprocess_of(int size, int channels, double mean = 0, double deviation = 1) {
  Preprocess p;
  p.image_size = size;
  p.channels = channels;
  p.mean.assign(static_cast<size_t>(channels), mean);
  p.deviation.assign(static_cast<size_t>(channels), deviation);
  return p;
}

}  // namespace vmoe::testing
