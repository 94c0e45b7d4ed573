#pragma once
// What a router does, for people: figures for the metrics file, and a warning when it collapses.

#include <string>
#include <vector>

#include "moe/config.h"
#include "moe/routing_statistics.h"
#include "train/metrics.h"

namespace vmoe {

/// The figures of one split or epoch:
///   images, shares            [E] images that chose each expert, and its share of all choices
///   least_images, most_images of an expert
///   load_entropy              of the shares; 1 even, 0 one expert has all
///   mean_entropy              of the mean probabilities; 1 even on the whole
///   entropy                   mean over images of that of an image's probabilities; 0 sure, 1 undecided
///   gate                      mean gate of the chosen experts
/// Entropies are divided by log E.
Record routing_record(const RoutingStatistics& routing);

/// Entropy of the load by log E if the router were right about every image: that of the images with these
/// `labels` on their super-classes. 1 without super-classes, 0 for one expert.
double expected_load_entropy(const MoeConfig& config, const std::vector<int>& labels);

/// Watches the epochs of a run. An epoch is bad if the entropy of the load is below half of what is expected
/// (the router collapses), or if an expert had no image.
class RoutingWatch {
 public:
  RoutingWatch(const MoeConfig& config, double expected_load_entropy)
      : config_(config), expected_(expected_load_entropy) {}

  /// One line that says what is wrong with the epoch and what to do; empty if all is well.
  std::string problem(const RoutingStatistics& epoch, int number) const;
  /// The same, but empty if earlier calls have said it of these experts.
  std::string news(const RoutingStatistics& epoch, int number);

 private:
  bool collapsed(const RoutingStatistics& epoch) const;
  std::string advice() const;

  MoeConfig config_;
  double expected_;
  bool said_collapsed_ = false;
  std::vector<int> said_idle_;  // sorted
};

}  // namespace vmoe
