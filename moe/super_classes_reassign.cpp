// Other divisions made of one: without a super-class that is too large, and at random.

#include <algorithm>

#include "moe/k_means.h"
#include "moe/super_classes.h"
#include "tensor/random.h"

namespace vmoe {
namespace {

/// Classes that move from one super-class to another, and what that costs.
class Reassignment {
 public:
  Reassignment(SuperClasses& division, std::span<const double> graph, int max_size)
      : division_(division),
        graph_(graph),
        max_size_(max_size),
        sizes_(division.sizes()),
        shared_(division.classes.size() * division.experts, 0.0) {
    for (int a = 0; a < classes(); ++a) {
      for (int b = 0; b < classes(); ++b) shared(a, division.super_class[b]) += weight(a, b);
    }
  }

  bool is_done() const { return *std::max_element(sizes_.begin(), sizes_.end()) <= max_size_; }

  /// Moves the class of a too large super-class that loses least.
  void move_one() {
    int chosen = -1, target = -1;
    double least = 0;
    for (int a = 0; a < classes(); ++a) {
      const int own = division_.super_class[a];
      if (sizes_[own] <= max_size_) continue;
      const int nearest = nearest_with_room(a);
      const double loss = shared(a, own) - shared(a, nearest);
      if (chosen >= 0 && loss >= least) continue;
      chosen = a, target = nearest, least = loss;
    }
    move(chosen, target);
  }

 private:
  int classes() const { return static_cast<int>(division_.classes.size()); }
  double weight(int a, int b) const { return graph_[static_cast<size_t>(a) * classes() + b]; }
  double& shared(int a, int e) { return shared_[static_cast<size_t>(a) * division_.experts + e]; }

  int nearest_with_room(int a) {
    int nearest = -1;
    for (int e = 0; e < division_.experts; ++e) {
      if (sizes_[e] < max_size_ && (nearest < 0 || shared(a, e) > shared(a, nearest))) nearest = e;
    }
    return nearest;
  }

  void move(int a, int target) {
    int& own = division_.super_class[a];
    for (int b = 0; b < classes(); ++b) {
      shared(b, own) -= weight(a, b);
      shared(b, target) += weight(a, b);
    }
    --sizes_[own];
    ++sizes_[target];
    own = target;
  }

  SuperClasses& division_;
  std::span<const double> graph_;
  int max_size_;
  std::vector<int> sizes_;      // [E]
  std::vector<double> shared_;  // [K, E]: confusion of a class with the classes of a super-class
};

}  // namespace

void require_room(int classes, int experts, int max_size) {
  if (max_size >= 1 && int64_t{max_size} * experts >= classes) return;
  throw UsageError("--max-size " + std::to_string(max_size) + ": " + std::to_string(experts) +
                   " super-classes of so few cannot hold " + std::to_string(classes) + " classes; at least " +
                   std::to_string((classes + experts - 1) / experts));
}

SuperClasses cap_sizes(SuperClasses division, std::span<const double> graph, int max_size) {
  const int classes = static_cast<int>(division.classes.size()), experts = division.experts;
  require_room(classes, experts, max_size);
  if (graph.size() != static_cast<size_t>(classes) * classes)
    throw ShapeError("cap_sizes: the graph must be [K, K] for " + std::to_string(classes) + " classes");
  Reassignment reassignment(division, graph, max_size);
  while (!reassignment.is_done()) reassignment.move_one();
  if (division.names.empty()) number_by_smallest(division.super_class, experts);
  division.report.reset();
  return division;
}

SuperClasses cap_by_confusion(SuperClasses division, std::span<const double> confusion, int max_size) {
  std::vector<int> without_images;
  const int classes = static_cast<int>(division.classes.size());
  const std::vector<double> graph = confusion_graph(confusion, classes, without_images);
  return cap_sizes(std::move(division), graph, max_size);
}

SuperClasses random_division(const SuperClasses& division, uint64_t seed) {
  SuperClasses result{division.experts, division.classes, division.super_class, {}, {}};
  shuffle(result.super_class.data(), static_cast<uint32_t>(result.super_class.size()),
          Random(seed, Stream::cluster, /*epoch=*/2));
  number_by_smallest(result.super_class, result.experts);
  return result;
}

}  // namespace vmoe
