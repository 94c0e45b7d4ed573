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

Record record_of(const RoutingStatistics& decision, const std::string& units) {
  const std::vector<int64_t>& kept = decision.sums().kept;
  Record shares = Record::array();
  for (int e = 0; e < decision.experts(); ++e) shares.push_back(decision.load(e));
  return {{units, kept},
          {"shares", shares},
          {"least_" + units, *std::min_element(kept.begin(), kept.end())},
          {"most_" + units, *std::max_element(kept.begin(), kept.end())},
          {"load_entropy", decision.load_entropy()},
          {"cv2_load", decision.cv2_load()},
          {"max_violation", decision.max_violation()},
          {"mean_entropy", decision.mean_entropy()},
          {"entropy", decision.entropy()},
          {"margin", decision.margin()},
          {"gate", decision.gate()}};
}

}  // namespace

Record by_decision(const ModelRouting& routing, const std::function<Record(size_t)>& figure) {
  if (routing.unit == Unit::image) return figure(0);
  Record list = Record::array();
  for (size_t i = 0; i < routing.decisions.size(); ++i) list.push_back(figure(i));
  return list;
}

Record routing_record(const ModelRouting& routing) {
  return by_decision(routing, [&](size_t i) {
    Record record = Record::object();
    if (routing.unit == Unit::token) record["block"] = routing.blocks[i];
    record.update(record_of(routing.decisions[i], name_of(routing.unit) + std::string("s")));
    return record;
  });
}

Record step_routing_record(const ModelRouting& routing) {
  const auto& d = routing.decisions;
  return {{"load_entropy", by_decision(routing, [&](size_t i) { return d[i].load_entropy(); })},
          {"router_entropy", by_decision(routing, [&](size_t i) { return d[i].entropy(); })},
          {"gate", by_decision(routing, [&](size_t i) { return d[i].gate(); })},
          {"idle_experts", by_decision(routing, [&](size_t i) { return d[i].idle_experts().size(); })}};
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

bool RoutingWatch::collapsed(const RoutingStatistics& decision) const {
  return decision.units() > 0 && decision.load_entropy() < kCollapsed * expected_;
}

std::string RoutingWatch::advice(Unit unit) const {
  if (unit == Unit::token)
    return "if this stays so, raise --balance-weight, lower --lr, or take fewer --experts";
  if (config_.super_classes.empty())
    return "teach the router super-classes (vmoe superclass, --super-classes), raise --balance-weight, or "
           "take "
           "fewer --experts";
  return "if this stays so, raise --router-weight, lower --lr, or make a division with fewer or more even "
         "super-classes (vmoe superclass)";
}

// Empty if all is well with decision i.
std::string RoutingWatch::problem(const ModelRouting& epoch, size_t i, int number) const {
  const RoutingStatistics& decision = epoch.decisions[i];
  const std::vector<int> idle = decision.idle_experts();
  if (decision.units() == 0 || (idle.empty() && !collapsed(decision))) return "";
  const std::string unit = name_of(epoch.unit);
  std::string line = "epoch " + std::to_string(number);
  if (epoch.unit == Unit::token) line += ", block " + std::to_string(epoch.blocks[i]);
  line += ": ";
  if (collapsed(decision)) {
    const std::vector<int64_t>& kept = decision.sums().kept;
    const auto most = static_cast<int>(std::max_element(kept.begin(), kept.end()) - kept.begin());
    line += "the router collapses: expert " + std::to_string(most) + " has " +
            text_of("%.1f", 100 * decision.load(most)) + " % of the " + unit + "s, entropy of the load " +
            text_of("%.2f", decision.load_entropy()) + " of " + text_of("%.2f", expected_) + " expected";
    if (!idle.empty()) line += ", ";
  }
  if (!idle.empty()) line += "no " + unit + " went to " + list_of_experts(idle);
  return line + "; " + advice(epoch.unit);
}

std::vector<std::string> RoutingWatch::problems(const ModelRouting& epoch, int number) const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < epoch.decisions.size(); ++i) {
    if (std::string line = problem(epoch, i, number); !line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> RoutingWatch::news(const ModelRouting& epoch, int number) {
  std::vector<std::string> lines;
  said_.resize(epoch.decisions.size());
  for (size_t i = 0; i < epoch.decisions.size(); ++i) {
    const RoutingStatistics& decision = epoch.decisions[i];
    Said& said = said_[i];
    const std::vector<int> idle = decision.idle_experts();
    const bool known = (said.collapsed || !collapsed(decision)) &&
                       std::includes(said.idle.begin(), said.idle.end(), idle.begin(), idle.end());
    if (known) continue;
    said.collapsed = said.collapsed || collapsed(decision);
    std::vector<int> all;
    std::set_union(said.idle.begin(), said.idle.end(), idle.begin(), idle.end(), std::back_inserter(all));
    said.idle = std::move(all);
    lines.push_back(problem(epoch, i, number));
  }
  return lines;
}

}  // namespace vmoe
