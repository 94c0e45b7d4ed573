#pragma once
// A batch without data: for benchmarks and the signature.

#include <algorithm>
#include <vector>

#include "nn/config.h"
#include "tensor/random.h"
#include "tensor/real.h"

namespace vmoe {

/// Normally distributed pixels for one batch, and labels in turn.
struct RandomBatch {
  RandomBatch(const VitConfig& vit, int64_t images)
      : size(int64_t{vit.channels} * vit.image_size * vit.image_size),
        classes(vit.classes),
        pixels(images * size) {
    Random random(0, Stream::bench);
    for (real& pixel : pixels) pixel = static_cast<real>(random.normal());
  }

  void fill(int64_t first, int count, real* images, real* targets, int* labels) const {
    std::copy_n(pixels.data() + first * size, count * size, images);
    std::fill_n(targets, int64_t{count} * classes, real{0});
    for (int i = 0; i < count; ++i) {
      labels[i] = static_cast<int>((first + i) % classes);
      targets[int64_t{i} * classes + labels[i]] = 1;
    }
  }

  int64_t size;
  int classes;
  std::vector<real> pixels;
};

}  // namespace vmoe
