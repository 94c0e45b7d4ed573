#include "train/routing_report.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

namespace vmoe {

namespace {

constexpr double kCollapsed = 0.5;  // of the expected entropy of the load
constexpr size_t kShown = 8;        // experts named in a line

std::string text_of(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// "expert 3", "experts 3, 4", "experts 0, 1, 2, ... (12)"
std::string list_of_experts(const std::vector<int>& experts) {
  std::string text = experts.size() == 1 ? "expert " : "experts ";
  for (size_t i = 0; i < experts.size() && i < kShown; ++i)
    text += (i > 0 ? ", " : "") + std::to_string(experts[i]);
  return experts.size() > kShown ? text + ", ... (" + std::to_string(experts.size()) + ")" : text;
}

}  // namespace

Record routing_record(const RoutingStatistics& routing) {
  Record images = Record::array(), shares = Record::array();
  for (int e = 0; e < routing.experts(); ++e) {
    images.push_back(routing.units_of(e));
    shares.push_back(routing.load(e));
  }
  const std::vector<int64_t>& kept = routing.sums().kept;
  return {{"images", images},
          {"shares", shares},
          {"least_images", *std::min_element(kept.begin(), kept.end())},
          {"most_images", *std::max_element(kept.begin(), kept.end())},
          {"load_entropy", routing.load_entropy()},
          {"mean_entropy", routing.mean_entropy()},
          {"entropy", routing.entropy()},
          {"gate", routing.gate()}};
}

double expected_load_entropy(const MoeConfig& config, const std::vector<int>& labels) {
  if (config.is_dense() || config.experts == 1) return 0;
  if (config.super_classes.empty()) return 1;
  RoutingStatistics::Sums sums;
  sums.kept.resize(config.experts);
  sums.probability.resize(config.experts);
  sums.assignments = static_cast<int64_t>(labels.size());
  for (const int label : labels) ++sums.kept[config.super_classes[label]];
  return RoutingStatistics(std::move(sums)).load_entropy();
}

bool RoutingWatch::collapsed(const RoutingStatistics& epoch) const {
  return epoch.units() > 0 && epoch.load_entropy() < kCollapsed * expected_;
}

std::string RoutingWatch::advice() const {
  if (config_.super_classes.empty())
    return "teach the router super-classes (vmoe superclass, --super-classes), or take fewer --experts";
  return "if this stays so, raise --router-weight, lower --lr, or make a division with fewer or more even "
         "super-classes (vmoe superclass)";
}

std::string RoutingWatch::problem(const RoutingStatistics& epoch, int number) const {
  const std::vector<int> idle = epoch.idle_experts();
  if (epoch.units() == 0 || (idle.empty() && !collapsed(epoch))) return "";
  std::string line = "epoch " + std::to_string(number) + ": ";
  if (collapsed(epoch)) {
    const std::vector<int64_t>& kept = epoch.sums().kept;
    const auto most = static_cast<int>(std::max_element(kept.begin(), kept.end()) - kept.begin());
    line += "the router collapses: expert " + std::to_string(most) + " has " +
            text_of("%.1f", 100 * epoch.load(most)) + " % of the images, entropy of the load " +
            text_of("%.2f", epoch.load_entropy()) + " of " + text_of("%.2f", expected_) + " expected";
    if (!idle.empty()) line += ", ";
  }
  if (!idle.empty()) line += "no image went to " + list_of_experts(idle);
  return line + "; " + advice();
}

std::string RoutingWatch::news(const RoutingStatistics& epoch, int number) {
  const std::vector<int> idle = epoch.idle_experts();
  const bool known = (said_collapsed_ || !collapsed(epoch)) &&
                     std::includes(said_idle_.begin(), said_idle_.end(), idle.begin(), idle.end());
  if (known) return "";
  said_collapsed_ = said_collapsed_ || collapsed(epoch);
  std::vector<int> all;
  std::set_union(said_idle_.begin(), said_idle_.end(), idle.begin(), idle.end(), std::back_inserter(all));
  said_idle_ = std::move(all);
  return problem(epoch, number);
}

}  // namespace vmoe
