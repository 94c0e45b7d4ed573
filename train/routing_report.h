#pragma once
// What a router does, for people: figures for the metrics file, and a warning when it collapses.

#include <functional>
#include <string>
#include <vector>

#include "moe/config.h"
#include "moe/routing_statistics.h"
#include "train/metrics.h"

namespace vmoe {

/// figure(i) of each decision i as records have it: the one of a router of images as it is, those of routers
/// of tokens as a list, block by block.
Record by_decision(const ModelRouting& routing, const std::function<Record(size_t)>& figure);

/// The figures of one split or epoch; for tokens by_decision, "tokens" in place of "images", and first
/// "block".
///   images, shares            [E] images that chose each expert, and its share of all choices
///   least_images, most_images of an expert
///   load_entropy              of the shares; 1 even, 0 one expert has all
///   cv2_load, max_violation   squared variation of the shares; largest share by the mean, minus 1; 0 even
///   mean_entropy              of the mean probabilities; 1 even on the whole
///   entropy                   mean over images of that of an image's probabilities; 0 sure, 1 undecided
///   margin                    mean over images of largest minus second largest probability; 1 sure
///   gate                      mean gate of the chosen experts
/// Entropies are divided by log E. Not for a dense model.
Record routing_record(const ModelRouting& routing);
/// Of one step: load_entropy, router_entropy, gate, idle_experts, each by_decision.
Record step_routing_record(const ModelRouting& routing);

/// Entropy of the load by log E if the router were right about every image: that of the images with these
/// `labels` on their super-classes. 1 without super-classes, 0 for one expert.
double expected_load_entropy(const MoeConfig& config, const std::vector<int>& labels);

/// Watches the epochs of a run. A decision is bad if the entropy of its load is below half of what is
/// expected (the router collapses), or if an expert had no image, or no token.
class RoutingWatch {
 public:
  RoutingWatch(const MoeConfig& config, double expected_load_entropy)
      : config_(config), expected_(expected_load_entropy) {}

  /// A line for each decision that is bad in the epoch: what is wrong with it, and what to do.
  std::vector<std::string> problems(const ModelRouting& epoch, int number) const;
  /// The same without those that earlier calls have said of these experts.
  std::vector<std::string> news(const ModelRouting& epoch, int number);

 private:
  struct Said {
    bool collapsed = false;
    std::vector<int> idle;  // sorted
  };

  bool collapsed(const RoutingStatistics& decision) const;
  std::string advice(Unit unit) const;
  std::string problem(const ModelRouting& epoch, size_t i, int number) const;

  MoeConfig config_;
  double expected_;
  std::vector<Said> said_;  // by decision
};

}  // namespace vmoe
