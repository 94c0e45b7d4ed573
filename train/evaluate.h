#pragma once
// How good a model is on labelled images.

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "moe/model.h"
#include "moe/routing_statistics.h"
#include "train/inference.h"

namespace vmoe {

/// Whether an evaluation counts pairs of classes, N x N numbers: image by image the prediction (1 for the
/// largest logit), or the predicted probabilities.
enum class Confusion { none, hard, soft };

struct Evaluation {
  int64_t n = 0;
  double top1 = 0, top5 = 0;      // shares of n, 0 to 1 (ties: the lower class index ranks first)
  double loss = 0;                // mean cross entropy in nats, without label smoothing
  double router_accuracy = 0;     // share of images whose best expert is their super-class; 0 without
  std::vector<double> confusion;  // [N, N] if asked for: row true class, column prediction
  std::vector<uint8_t> hits;      // [n]: 1 where the largest logit is the label's, else 0
  ModelRouting routing;           // who went where
  double seconds = 0;
  int classes = 0;
};

/// Evaluates the model's weights. The figures are the same for any number of threads. Throws InputError
/// naming a broken image, or if there is no image.
Evaluation evaluate(const Model& model, const EvaluationImages& images, int threads,
                    Confusion confusion = Confusion::none);
/// The same with an Inference that is kept between calls; its weights must have been packed since they
/// changed.
Evaluation evaluate(const Model& model, Inference& inference, const EvaluationImages& images,
                    Confusion confusion = Confusion::none);

}  // namespace vmoe
