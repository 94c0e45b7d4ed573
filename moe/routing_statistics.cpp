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
  units_ = dropped_ = assignments_ = 0;
  entropy_ = margin_ = 0;
  std::fill(kept_.begin(), kept_.end(), 0);
  std::fill(probability_.begin(), probability_.end(), 0);
}

void RoutingStatistics::add(const Tape& tape, const Routing& routing) {
  units_ += routing.units;
  dropped_ += routing.dropped.count();
  assignments_ += routing.unit.count();
  for (int e = 0; e < experts(); ++e) kept_[e] += routing.first[e + 1] - routing.first[e];
  const Tensor probabilities = tape.value(routing.probabilities);
  for (int t = 0; t < routing.units; ++t) {
    double largest = 0, second = 0;
    const Tensor row = probabilities.row(t);
    for (int e = 0; e < experts(); ++e) {
      const double p = row[e];
      probability_[e] += p;
      entropy_ += surprise(p);
      second = std::max(second, std::min(largest, p));
      largest = std::max(largest, p);
    }
    margin_ += largest - second;
  }
}

void RoutingStatistics::add(const RoutingStatistics& other) {
  units_ += other.units_;
  dropped_ += other.dropped_;
  assignments_ += other.assignments_;
  entropy_ += other.entropy_;
  margin_ += other.margin_;
  for (int e = 0; e < experts(); ++e) {
    kept_[e] += other.kept_[e];
    probability_[e] += other.probability_[e];
  }
}

double RoutingStatistics::load(int e) const {
  return ratio(static_cast<double>(kept_[e]), assignments_);
}

double RoutingStatistics::importance(int e) const {
  return ratio(probability_[e], units_);
}

double RoutingStatistics::cv2_load() const {
  if (assignments_ == 0) return 0;
  // The mean load is 1/E.
  double sum = 0;
  for (int e = 0; e < experts(); ++e) {
    const double deviation = load(e) * experts() - 1;
    sum += deviation * deviation;
  }
  return sum / experts();
}

double RoutingStatistics::max_violation() const {
  const int64_t largest = *std::max_element(kept_.begin(), kept_.end());
  return assignments_ == 0 ? 0 : ratio(static_cast<double>(largest) * experts(), assignments_) - 1;
}

double RoutingStatistics::load_entropy() const {
  double entropy = 0;
  for (int e = 0; e < experts(); ++e) entropy += surprise(load(e));
  return of_log(entropy, experts());
}

double RoutingStatistics::dead_experts() const {
  if (units_ == 0) return 0;
  return ratio(static_cast<double>(std::count(kept_.begin(), kept_.end(), 0)), experts());
}

double RoutingStatistics::entropy() const {
  return of_log(ratio(entropy_, units_), experts());
}

double RoutingStatistics::mutual_information() const {
  double entropy = 0;
  for (int e = 0; e < experts(); ++e) entropy += surprise(importance(e));
  return entropy - ratio(entropy_, units_);
}

double RoutingStatistics::margin() const {
  return ratio(margin_, units_);
}

double RoutingStatistics::dropped_units() const {
  return ratio(static_cast<double>(dropped_), units_);
}

}  // namespace vmoe
