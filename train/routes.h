#pragma once
// Which images a model's router sends to which expert.

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "moe/model.h"
#include "moe/routing_statistics.h"
#include "train/inference.h"

namespace vmoe {

struct Routes {
  struct Choice {
    int expert = 0;
    double gate = 0;
  };
  int experts = 0, classes = 0, per_image = 0;  // E, N, K
  std::vector<int> labels;                      // [n]
  std::vector<Choice> choices;                  // [n, K], largest gate first; ties: the lower expert
  RoutingStatistics statistics;
  double router_accuracy = 0;  // share of images whose best expert is their super-class; 0 without

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

/// Runs the images through the model. The same for any number of threads. Throws UsageError for a model whose
/// router does not decide about whole images, InputError naming a broken image or if there is none.
Routes find_routes(const Model& model, Inference& inference, const EvaluationImages& images);

/// What one expert has.
struct ExpertRoutes {
  struct Share {
    int label;
    int64_t images;
  };
  int64_t images = 0;
  std::vector<Share> classes;  // those it has images of, most first; ties: the lower class
  /// Share of its images that belong to its super-class; without super-classes, to its most frequent class.
  /// 0 without images.
  double purity = 0;
};
std::vector<ExpertRoutes> by_expert(const Routes& routes, const std::vector<int>& super_classes);

}  // namespace vmoe
