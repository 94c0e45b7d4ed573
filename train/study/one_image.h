#pragma once
// What predicting one image takes: time, and the weights that are read.

#include <vector>

#include "data/batch.h"
#include "moe/model.h"

namespace vmoe {

struct OneImageWeights {
  /// Different experts in a block with experts, mean over blocks and images; 0 for a dense model.
  double experts = 0;
  /// Bytes of the parameters that an image's forward pass reads, mean over images: all that is dense, and the
  /// experts that were chosen.
  double bytes = 0;
};
struct OneImageTimes {
  double p50_ms = 0, p95_ms = 0;  // over images, of the forward pass alone, weights packed before
};

// Both predict up to 256 images one by one, `threads` sharing the work of each, and take the models' weights
// with them. They throw InputError naming a broken image, or if there is none.

/// The same for any number of threads.
OneImageWeights weights_of_one_image(Model& model, const EvaluationImages& images, int threads);

/// Times of models that take the same images: every image goes to one after the other, so that a machine that
/// slows down does so for all.
std::vector<OneImageTimes> times_of_one_image(const std::vector<Model*>& models,
                                              const EvaluationImages& images, int threads);

}  // namespace vmoe
