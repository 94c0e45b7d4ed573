#include "train/study/table.h"

#include <algorithm>

#include "train/statistics.h"

namespace vmoe {

namespace {

void average(std::vector<ArmResult>& results, double ArmResult::*figure) {
  double sum = 0;
  for (const ArmResult& result : results) sum += result.*figure;
  results[0].*figure = sum / static_cast<double>(results.size());
}

}  // namespace

std::optional<Difference> difference(const std::vector<ArmResult>& arm, const std::vector<ArmResult>& to) {
  std::vector<std::vector<uint8_t>> ours, theirs;
  for (const ArmResult& result : arm) {
    const auto pair = std::find_if(to.begin(), to.end(), [&](const ArmResult& r) {
      return r.seed == result.seed && r.hits.size() == result.hits.size();
    });
    if (pair == to.end()) continue;
    ours.push_back(result.hits);
    theirs.push_back(pair->hits);
  }
  if (ours.empty() || ours[0].empty()) return {};
  return paired_difference(ours, theirs);
}

ArmSummary summarise(const std::string& name, const std::string& meaning, std::vector<ArmResult> results,
                     const std::vector<ArmResult>& dense) {
  ArmSummary summary;
  summary.name = name;
  summary.meaning = meaning;
  std::sort(results.begin(), results.end(),
            [](const ArmResult& a, const ArmResult& b) { return a.seed < b.seed; });
  for (const ArmResult& result : results) {
    summary.seeds.push_back(result.seed);
    summary.top1.push_back(result.top1);
  }
  const MeanDeviation top1 = mean_deviation(summary.top1);
  summary.mean = top1.mean;
  if (top1.count > 1) summary.spread = top1.deviation;
  if (name != "dense") summary.to_dense = difference(results, dense);
  for (double ArmResult::*figure :
       {&ArmResult::p50_ms, &ArmResult::p95_ms, &ArmResult::experts, &ArmResult::bytes})
    average(results, figure);
  summary.figures = std::move(results[0]);
  return summary;
}

}  // namespace vmoe
