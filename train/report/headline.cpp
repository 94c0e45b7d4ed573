// The result in a sentence or two, and the words and numbers that the tables share with it.

#include <cmath>

#include "train/report/markup.h"
#include "train/report/parts.h"

namespace vmoe {
namespace {

std::string strong(const std::string& text) {
  return "<strong>" + text + "</strong>";
}

/// "a, b and c"
std::string joined(const std::vector<const ReportArm*>& arms) {
  std::string text;
  for (size_t i = 0; i < arms.size(); ++i)
    text += (i == 0 ? "" : i + 1 < arms.size() ? ", " : " and ") + strong(escaped(arms[i]->name));
  return text;
}

std::string answer(const ReportDifference& d) {
  const std::string arm = strong(escaped(d.arm)), to = strong(escaped(d.to)),
                    points = strong(signed_decimal(d.mean, 2)) + " points of top-1 accuracy";
  if (!has_interval(d)) return arm + " has " + points + " against " + to + ", without an interval.";
  if (d.seeds == 1)
    return arm + " has " + points + " against " + to +
           " in one seed (95 % interval over the test images alone: " + interval_text(d) + ").";
  return arm + " is " + verdict_text(d) + " " + to + ": " + points + " (95 % interval " + interval_text(d) +
         ").";
}

}  // namespace

std::string top1_text(const ReportArm& arm) {
  const MeanDeviation top1 = mean_deviation(arm.top1);
  if (top1.count == 0) return "not finished";
  const std::string spread = top1.count > 1 ? " ± " + decimal(100 * top1.deviation, 2) : "";
  return decimal(100 * top1.mean, 2) + spread + " %";
}

std::string seeds_text(const ReportArm& arm) {
  const int count = mean_deviation(arm.top1).count;
  return count == 0 ? "" : count == 1 ? "1 seed" : std::to_string(count) + " seeds";
}

bool has_interval(const ReportDifference& d) {
  return std::isfinite(d.low) && std::isfinite(d.high);
}

std::string interval_text(const ReportDifference& d) {
  if (!has_interval(d)) return "no interval";
  return signed_decimal(d.low, 2) + " to " + signed_decimal(d.high, 2);
}

const char* verdict_text(const ReportDifference& d) {
  if (!has_interval(d) || d.seeds == 1) return "against";
  return d.low > 0 ? "better than" : d.high < 0 ? "worse than" : "not distinguishable from";
}

std::string headline(const StudyReport& report) {
  std::vector<const ReportArm*> best;  // several where the page would show the same number
  size_t finished = 0;
  for (const ReportArm& arm : report.arms) {
    const MeanDeviation top1 = mean_deviation(arm.top1);
    if (top1.count == 0) continue;
    ++finished;
    const double ahead = best.empty() ? 1 : top1.mean - mean_deviation(best[0]->top1).mean;
    if (ahead >= 0.5e-4) best.clear();
    if (ahead > -0.5e-4) best.push_back(&arm);
  }
  if (best.empty()) return "<p class=\"lead\">No arm has finished yet.</p>\n";
  std::string text = "<p class=\"lead\">";
  if (!report.differences.empty() && std::isfinite(report.differences[0].mean))
    text += answer(report.differences[0]) + " ";
  const ReportArm& arm = *best[0];
  if (best.size() == 1) {
    text += finished == 1
                ? joined(best) + " reaches "
                : "The most accurate of " + std::to_string(finished) + " arms is " + joined(best) + ": ";
    text += strong(top1_text(arm)) + " (" + seeds_text(arm);
    if (std::isfinite(arm.flops)) text += ", " + with_thousands(arm.flops) + "FLOPs an image";
    text += ")";
  } else {
    text += "The most accurate of " + std::to_string(finished) + " arms are " + joined(best) +
            ", which are equal: " + strong(decimal(100 * mean_deviation(arm.top1).mean, 2) + " %");
  }
  return text + ".</p>\n";
}

}  // namespace vmoe
