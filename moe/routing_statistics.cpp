#include "moe/routing_statistics.h"

#include <algorithm>

#include "tensor/math.h"

namespace vmoe {

namespace {

// -p log p, which is 0 at 0.
double surprise(double p) {
  return p > 0 ? -p * math::log(p) : 0;
}

double ratio(double sum, int64_t count) {
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

// Entropy as a share of the largest possible one.
double of_log(double entropy, int experts) {
  return experts < 2 ? 0 : entropy / math::log(experts);
}

}  // namespace

void RoutingStatistics::clear() {
  sums_.units = sums_.assignments = 0;
  sums_.entropy = sums_.margin = sums_.gate = 0;
  std::fill(sums_.kept.begin(), sums_.kept.end(), 0);
  std::fill(sums_.probability.begin(), sums_.probability.end(), 0);
}

void RoutingStatistics::add(const Tape& tape, const Routing& routing) {
  sums_.units += routing.units;
  sums_.assignments += routing.unit.count();
  for (int e = 0; e < experts(); ++e) sums_.kept[e] += routing.first[e + 1] - routing.first[e];
  for (const double gate : tape.value(routing.gate)) sums_.gate += gate;
  const Tensor probabilities = tape.value(routing.probabilities);
  for (int t = 0; t < routing.units; ++t) {
    double largest = 0, second = 0;
    const Tensor row = probabilities.row(t);
    for (int e = 0; e < experts(); ++e) {
      const double p = row[e];
      sums_.probability[e] += p;
      sums_.entropy += surprise(p);
      second = std::max(second, std::min(largest, p));
      largest = std::max(largest, p);
    }
    sums_.margin += largest - second;
  }
}

void RoutingStatistics::add(const RoutingStatistics& other) {
  sums_.units += other.sums_.units;
  sums_.assignments += other.sums_.assignments;
  sums_.entropy += other.sums_.entropy;
  sums_.margin += other.sums_.margin;
  sums_.gate += other.sums_.gate;
  for (int e = 0; e < experts(); ++e) {
    sums_.kept[e] += other.sums_.kept[e];
    sums_.probability[e] += other.sums_.probability[e];
  }
}

std::vector<int> RoutingStatistics::idle_experts() const {
  std::vector<int> idle;
  for (int e = 0; e < experts(); ++e) {
    if (sums_.kept[e] == 0) idle.push_back(e);
  }
  return idle;
}

double RoutingStatistics::load(int e) const {
  return ratio(static_cast<double>(sums_.kept[e]), sums_.assignments);
}

double RoutingStatistics::cv2_load() const {
  if (sums_.assignments == 0) return 0;
  // The mean load is 1/E.
  double sum = 0;
  for (int e = 0; e < experts(); ++e) {
    const double deviation = load(e) * experts() - 1;
    sum += deviation * deviation;
  }
  return sum / experts();
}

double RoutingStatistics::max_violation() const {
  if (sums_.assignments == 0) return 0;
  const int64_t largest = *std::max_element(sums_.kept.begin(), sums_.kept.end());
  return ratio(static_cast<double>(largest) * experts(), sums_.assignments) - 1;
}

double RoutingStatistics::load_entropy() const {
  double entropy = 0;
  for (int e = 0; e < experts(); ++e) entropy += surprise(load(e));
  return of_log(entropy, experts());
}

double RoutingStatistics::entropy() const {
  return of_log(ratio(sums_.entropy, sums_.units), experts());
}

double RoutingStatistics::mean_entropy() const {
  double entropy = 0;
  for (const double sum : sums_.probability) entropy += surprise(ratio(sum, sums_.units));
  return of_log(entropy, experts());
}

double RoutingStatistics::gate() const {
  return ratio(sums_.gate, sums_.assignments);
}

double RoutingStatistics::margin() const {
  return ratio(sums_.margin, sums_.units);
}

ModelRouting::ModelRouting(const ModelConfig& config)
    : unit(config.moe.routes_tokens() ? Unit::token : Unit::image),
      blocks(config.deciding_blocks()),
      decisions(blocks.size(), RoutingStatistics(config.moe.experts)) {}

void ModelRouting::clear() {
  for (RoutingStatistics& decision : decisions) decision.clear();
}

void ModelRouting::add(const Tape& tape, const Model::Output& output) {
  for (size_t i = 0; i < decisions.size(); ++i) decisions[i].add(tape, *output.routings[i]);
}

void ModelRouting::add(const ModelRouting& other) {
  for (size_t i = 0; i < decisions.size(); ++i) decisions[i].add(other.decisions[i]);
}

}  // namespace vmoe
