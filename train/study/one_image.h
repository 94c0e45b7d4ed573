#pragma once
// What predicting one image takes: time, and the weights that are read.

#include "data/batch.h"
#include "moe/model.h"

namespace vmoe {

struct OneImageCost {
  double p50_ms = 0, p95_ms = 0;  // over images, of the forward pass alone, weights packed before
  /// Different experts in a block with experts, mean over blocks and images; 0 for a dense model.
  double experts = 0;
  /// Bytes of the parameters that an image's forward pass reads, mean over images: all that is dense, and the
  /// experts that were chosen.
  double bytes = 0;
};

/// Predicts up to 256 images one by one, `threads` sharing the work of each. Takes the model's weights with
/// it. Experts and bytes are the same for any number of threads. Throws InputError naming a broken image, or
/// if there is none.
OneImageCost cost_of_one_image(Model& model, const EvaluationImages& images, int threads);

}  // namespace vmoe
