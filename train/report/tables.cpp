// What the report says in words and numbers: the headline, the arms, their differences.

#include <algorithm>
#include <cmath>

#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/plot.h"

namespace vmoe {
namespace {

std::string cell(const std::string& text) {
  return "<td>" + text + "</td>";
}

/// "61.34 ± 0.42 %"
std::string top1_text(const ReportArm& arm) {
  const Spread top1 = spread_of(arm.top1);
  if (top1.count == 0) return "not finished";
  const std::string spread = top1.count > 1 ? " ± " + decimal(100 * top1.deviation, 2) : "";
  return decimal(100 * top1.mean, 2) + spread + " %";
}

std::string seeds_text(const ReportArm& arm) {
  const int count = spread_of(arm.top1).count;
  return count == 0 ? "" : count == 1 ? "1 seed" : std::to_string(count) + " seeds";
}

std::string interval(const ReportDifference& d) {
  return signed_decimal(d.low, 2) + " to " + signed_decimal(d.high, 2);
}

const char* verdict(const ReportDifference& d) {
  if (!std::isfinite(d.low) || !std::isfinite(d.high)) return "no interval";
  return d.low > 0 ? "better" : d.high < 0 ? "worse" : "not distinguishable";
}

int arm_number(const StudyReport& report, const std::string& name) {
  for (size_t i = 0; i < report.arms.size(); ++i)
    if (report.arms[i].name == name) return static_cast<int>(i);
  return -1;
}

/// The interval as a bar, on an axis that all rows share.
std::string interval_bar(const StudyReport& report, const ReportDifference& d, double low, double high) {
  const double width = 220, height = 26;
  const Axis axis = make_axis(low, high, 6, width - 6, 1);
  Svg svg(width, height, d.arm + " against " + d.to + ": " + signed_decimal(d.mean, 2) + " points", "bars");
  svg.line({axis.at(0), 0}, {axis.at(0), height}, "zero");
  const int arm = arm_number(report, d.arm);
  svg.begin("arm " + series_class(std::max(arm, 0)), interval(d));
  const double y = height / 2;
  if (std::isfinite(d.low) && std::isfinite(d.high)) {
    svg.line({axis.at(d.low), y}, {axis.at(d.high), y}, "bar");
    for (const double end : {d.low, d.high}) svg.line({axis.at(end), y - 4}, {axis.at(end), y + 4}, "bar");
  }
  if (std::isfinite(d.mean)) svg.marker({axis.at(d.mean), y}, std::max(arm, 0), 4.5);
  svg.end();
  return svg.element();
}

}  // namespace

std::string mark(int arm) {
  Svg svg(14, 14, "", "key");
  svg.begin("arm " + series_class(arm));
  svg.marker({7, 7}, arm, 5);
  svg.end();
  return svg.element();
}

std::string headline(const StudyReport& report) {
  const ReportArm* best = nullptr;
  size_t finished = 0;
  for (const ReportArm& arm : report.arms) {
    const Spread top1 = spread_of(arm.top1);
    if (top1.count == 0) continue;
    ++finished;
    if (best == nullptr || top1.mean > spread_of(best->top1).mean) best = &arm;
  }
  if (best == nullptr) return "<p class=\"lead\">No arm has finished yet.</p>\n";
  std::string text = "<p class=\"lead\"><strong>" + escaped(best->name) + "</strong> reaches <strong>" +
                     top1_text(*best) + "</strong> top-1 accuracy (" + seeds_text(*best) + ")";
  if (finished > 1) text += ", the most of " + std::to_string(finished) + " arms";
  text += ".";
  for (const ReportDifference& d : report.differences) {
    if (d.arm != best->name) continue;
    text += " Against <strong>" + escaped(d.to) + "</strong> that is " + signed_decimal(d.mean, 2) +
            " points (95 % interval " + interval(d) + "): " + verdict(d) + ".";
    break;
  }
  return text + "</p>\n";
}

std::string legend(const StudyReport& report) {
  std::string text;
  for (size_t i = 0; i < report.arms.size(); ++i)
    text += "<span>" + mark(static_cast<int>(i)) + escaped(report.arms[i].name) + "</span>\n";
  return text.empty() ? "" : "<p class=\"legend\">\n" + text + "</p>\n";
}

std::string arm_table(const StudyReport& report) {
  if (report.arms.empty()) return "";
  std::string text =
      "<div class=\"wide\"><table class=\"arms\">\n<thead><tr><th>arm</th><th>top-1, test</th>"
      "<th>parameters<small>active</small></th><th>FLOPs<small>routed</small></th>"
      "<th>latency, ms<small>95th percentile</small></th><th>experts<small>an image</small></th>"
      "<th>weights read<small>an image</small></th></tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const ReportArm& arm = report.arms[i];
    const auto two = [](const std::string& first, const std::string& second) {
      return cell(first + "<small>" + second + "</small>");
    };
    text += "<tr><th>" + mark(static_cast<int>(i)) + escaped(arm.name) + "<small>" + escaped(arm.meaning) +
            "</small></th>" + two("<strong>" + top1_text(arm) + "</strong>", seeds_text(arm)) +
            two(with_thousands(arm.params), with_thousands(arm.active_params)) +
            two(with_thousands(arm.flops), percentage(arm.routed_share, 1)) +
            two(decimal(arm.p50_ms, 2), decimal(arm.p95_ms, 2)) + cell(decimal(arm.experts_touched, 2)) +
            cell(with_thousands(arm.bytes_touched) + (std::isfinite(arm.bytes_touched) ? "B" : "")) +
            "</tr>\n";
  }
  return text + "</tbody></table></div>\n";
}

std::string difference_table(const StudyReport& report) {
  if (report.differences.empty()) return "";
  double low = 0, high = 0;  // zero is always in the picture
  for (const ReportDifference& d : report.differences) {
    for (const double value : {d.mean, d.low, d.high}) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  std::string text =
      "<table class=\"differences\">\n<thead><tr><th>arm</th><th>points<small>95 % interval</small></th>"
      "<th class=\"middle\">worse ← 0 → better</th></tr></thead>\n<tbody>\n";
  for (const ReportDifference& d : report.differences) {
    text += "<tr><th>" + escaped(d.arm) + "<small>against " + escaped(d.to) + "</small></th><td><strong>" +
            signed_decimal(d.mean, 2) + "</strong><small>" + interval(d) +
            "</small></td><td class=\"middle\">" + interval_bar(report, d, low, high) + "<small>" +
            verdict(d) + "</small></td></tr>\n";
  }
  return text + "</tbody></table>\n";
}

}  // namespace vmoe
