#pragma once
// Which images, or tokens, a model's router sends to which expert.

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "moe/model.h"
#include "moe/routers/table.h"
#include "moe/routing_statistics.h"
#include "train/inference.h"

namespace vmoe {

struct Routes {
  struct Choice {
    int expert = 0;
    double gate = 0;
  };
  int experts = 0, classes = 0, per_unit = 0;  // E, N, K
  ModelRouting routing;
  std::vector<int> labels;      // [n]: of the images
  std::vector<int64_t> counts;  // [decisions, E, N]: units of images of a class that an expert has
  std::vector<Choice>
      choices;  // [n, K] of images, largest gate first; ties: the lower expert. Empty for tokens
  double router_accuracy = 0;  // share of images whose best expert is their super-class; 0 without

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

/// Runs the images through the model. The same for any number of threads. Throws UsageError for a dense
/// model, InputError naming a broken image or if there is none.
Routes find_routes(const Model& model, Inference& inference, const EvaluationImages& images);

/// What one expert has.
struct ExpertRoutes {
  struct Share {
    int label;
    int64_t units;
  };
  int64_t units = 0;           // images or tokens
  std::vector<Share> classes;  // those it has units of, most first; ties: the lower class
  /// Share of its units that belong to its super-class; without super-classes, to its most frequent class. 0
  /// without units.
  double purity = 0;
};
/// The experts of a decision.
std::vector<ExpertRoutes> by_expert(const Routes& routes, size_t decision,
                                    const std::vector<int>& super_classes);

/// How much of the choice of experts follows from the class: mutual information of expert and class over all
/// assignments of a decision, as a share of the entropy of the load. 1 if all units of a class go to one
/// expert; 0 if all experts have the same mixture of classes, or one expert has all.
double explained_by_class(const Routes& routes, size_t decision);

}  // namespace vmoe
