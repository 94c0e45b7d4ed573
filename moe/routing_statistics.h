#pragma once
// How evenly and how surely a router decides: counts over many routings, and the figures made from them.

#include <cstdint>
#include <utility>
#include <vector>

#include "moe/routing.h"

namespace vmoe {

/// Sums over the units seen. A lane has one of its own; lanes are added up in lane order, so that the sums do
/// not depend on threads. Allocates only when it is made.
class RoutingStatistics {
 public:
  /// What is summed; a checkpoint keeps it.
  struct Sums {
    int64_t units = 0, dropped = 0, assignments = 0;
    double entropy = 0, margin = 0;   // over units, the entropy in nats
    double gate = 0;                  // over assignments
    std::vector<int64_t> kept;        // assignments by expert
    std::vector<double> probability;  // over units, by expert

    bool operator==(const Sums&) const = default;
  };

  explicit RoutingStatistics(int experts = 0) {
    sums_.kept.resize(experts);
    sums_.probability.resize(experts);
  }
  explicit RoutingStatistics(Sums sums) : sums_(std::move(sums)) {}

  void clear();
  /// Counts one routing, whose values are still on the tape.
  void add(const Tape& tape, const Routing& routing);
  void add(const RoutingStatistics& other);

  const Sums& sums() const { return sums_; }
  bool operator==(const RoutingStatistics&) const = default;

  int experts() const { return static_cast<int>(sums_.kept.size()); }
  int64_t units() const { return sums_.units; }
  /// Units that chose expert e.
  int64_t units_of(int e) const { return sums_.kept[e]; }
  /// Experts that no unit chose, in order.
  std::vector<int> idle_experts() const;

  // Figures; all are 0 while no unit was seen.

  /// Share of the assignments that expert e has. Sums to 1.
  double load(int e) const;
  /// Mean over units of the probability of expert e. Sums to 1.
  double importance(int e) const;
  /// Variance of the load over experts by its squared mean: 0 balanced, E - 1 if one expert has all.
  double cv2_load() const;
  /// Largest load times E, minus 1: 0 balanced, E - 1 if one expert has all.
  double max_violation() const;
  /// Entropy of the load by log E: 1 balanced, 0 if one expert has all (and for E = 1).
  double load_entropy() const;
  /// Share of experts without any assignment.
  double dead_experts() const;
  /// Mean over units of the entropy of its probabilities by log E: 0 sure, 1 undecided.
  double entropy() const;
  /// Entropy of the mean probability by log E: 1 if all experts are as probable on the whole.
  double mean_entropy() const;
  /// Mean over assignments of the gate.
  double gate() const;
  /// Entropy of the mean probability minus mean entropy, in nats: 0 if all units get the same probabilities.
  double mutual_information() const;
  /// Mean of largest minus second largest probability (1 for E = 1).
  double margin() const;
  /// Share of units that no expert took.
  double dropped_units() const;

 private:
  double importance_entropy() const;  // in nats

  Sums sums_;
};

}  // namespace vmoe
