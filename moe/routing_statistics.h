#pragma once
// How evenly and how surely routers decide: counts over many routings, and the figures made from them.

#include <cstdint>
#include <utility>
#include <vector>

#include "moe/model.h"

namespace vmoe {

/// Of one decision: sums over the units seen. Allocates only when it is made.
class RoutingStatistics {
 public:
  /// What is summed; a checkpoint keeps it.
  struct Sums {
    int64_t units = 0, assignments = 0;
    double entropy = 0, margin = 0;   // over units, the entropy in nats
    double gate = 0;                  // over assignments
    std::vector<int64_t> kept;        // assignments by expert
    std::vector<double> probability;  // over units, by expert

    bool operator==(const Sums&) const = default;
  };

  explicit RoutingStatistics(int experts) {
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
  /// Variance of the load over experts by its squared mean: 0 balanced, E - 1 if one expert has all.
  double cv2_load() const;
  /// Largest load times E, minus 1: 0 balanced, E - 1 if one expert has all.
  double max_violation() const;
  /// Entropy of the load by log E: 1 balanced, 0 if one expert has all (and for E = 1).
  double load_entropy() const;
  /// Mean over units of the entropy of its probabilities by log E: 0 sure, 1 undecided.
  double entropy() const;
  /// Entropy of the mean probability by log E: 1 if all experts are as probable on the whole.
  double mean_entropy() const;
  /// Mean over assignments of the gate.
  double gate() const;
  /// Mean over units of largest minus second largest probability: 0 undecided, 1 sure (and for E = 1).
  double margin() const;

 private:
  Sums sums_;
};

/// Of a whole model, decision by decision, since each has a router and experts of its own: of a router of
/// images one, of routers of tokens one a MoE block, of a dense model none. A lane has one of its own; lanes
/// are added up in lane order, so that the sums do not depend on threads.
struct ModelRouting {
  ModelRouting() = default;
  explicit ModelRouting(const ModelConfig& config);

  void clear();
  /// Counts the decisions for one chunk, whose values are still on the tape.
  void add(const Tape& tape, const Model::Output& output);
  void add(const ModelRouting& other);
  bool operator==(const ModelRouting&) const = default;

  Unit unit = Unit::image;
  std::vector<int> blocks;                   // where the decisions are made (ModelConfig::deciding_blocks)
  std::vector<RoutingStatistics> decisions;  // one for each of them
};

}  // namespace vmoe
