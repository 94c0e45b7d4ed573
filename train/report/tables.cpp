// The arms in numbers, and their differences.

#include <algorithm>
#include <array>
#include <cmath>

#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/plot.h"

namespace vmoe {
namespace {

/// A number above a smaller one. On a phone, where the table's head has no room, each cell says what it is.
struct Column {
  const char *name, *second;
};
constexpr std::array<Column, 6> kColumns = {{{"top-1, test", ""},
                                             {"parameters", "active"},
                                             {"FLOPs", "routed"},
                                             {"latency, ms", "95th percentile"},
                                             {"experts", "an image"},
                                             {"weights read", "an image"}}};

std::array<std::string, 12> numbers_of(const ReportArm& arm) {
  const std::string bytes = with_thousands(arm.bytes_touched) + (std::isfinite(arm.bytes_touched) ? "B" : "");
  return {"<strong>" + top1_text(arm) + "</strong>",
          seeds_text(arm),
          with_thousands(arm.params),
          with_thousands(arm.active_params),
          with_thousands(arm.flops),
          percentage(arm.routed_share, 1),
          decimal(arm.p50_ms, 2),
          decimal(arm.p95_ms, 2),
          decimal(arm.experts_touched, 2),
          "",
          bytes,
          ""};
}

int arm_number(const StudyReport& report, const std::string& name) {
  for (size_t i = 0; i < report.arms.size(); ++i)
    if (report.arms[i].name == name) return static_cast<int>(i);
  return 0;
}

constexpr double kBarWidth = 420, kBarHeight = 40;

/// The axis that the intervals of all rows share; zero is in the picture.
Axis bar_axis(const StudyReport& report) {
  Extremes range{-0.5, 0.5};
  for (const ReportDifference& d : report.differences)
    for (const double value : {d.mean, d.low, d.high}) range.add(value);
  return make_axis(range, 0, kBarWidth, 1);
}

std::string bar_head(const Axis& axis) {
  Svg svg(kBarWidth, kBarHeight, "points of top-1 accuracy", "bars");
  if (axis.at(0) > 60) svg.text({axis.at(0) - 8, 12}, "← worse", "", Anchor::end);
  if (axis.at(0) < kBarWidth - 60) svg.text({axis.at(0) + 8, 12}, "better →", "");
  for (const double tick : axis.ticks) {
    svg.text({axis.at(tick), kBarHeight - 8}, signed_decimal(tick, axis.places), "", Anchor::middle);
    svg.line({axis.at(tick), kBarHeight - 4}, {axis.at(tick), kBarHeight}, "axis");
  }
  return svg.element();
}

std::string interval_bar(const StudyReport& report, const ReportDifference& d, const Axis& axis) {
  Svg svg(kBarWidth, kBarHeight, d.arm + " against " + d.to + ": " + signed_decimal(d.mean, 2) + " points",
          "bars");
  for (const double tick : axis.ticks)
    svg.line({axis.at(tick), 0}, {axis.at(tick), kBarHeight}, std::abs(tick) < 1e-9 ? "zero" : "grid");
  const int arm = arm_number(report, d.arm);
  svg.begin("arm " + series_class(arm), interval_text(d));
  const double y = kBarHeight / 2;
  if (has_interval(d)) {
    svg.line({axis.at(d.low), y}, {axis.at(d.high), y}, "bar");
    for (const double end : {d.low, d.high}) svg.line({axis.at(end), y - 4}, {axis.at(end), y + 4}, "bar");
  }
  if (std::isfinite(d.mean)) svg.marker({axis.at(d.mean), y}, arm);
  svg.end();
  return svg.element();
}

}  // namespace

std::string arm_table(const StudyReport& report) {
  if (report.arms.empty()) return "";
  std::string text = "<table class=\"arms\">\n<thead><tr><th>arm</th>";
  for (const Column& column : kColumns)
    text += std::string("<th>") + column.name + "<small>" + column.second + "</small></th>";
  text += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const ReportArm& arm = report.arms[i];
    text += "<tr><th>" + mark(static_cast<int>(i)) + escaped(arm.name) + "<small>" + escaped(arm.meaning) +
            "</small></th>";
    const auto numbers = numbers_of(arm);
    for (size_t c = 0; c < kColumns.size(); ++c)
      text += std::string("<td data-is=\"") + kColumns[c].name + "\">" + numbers[2 * c] +
              "<small data-is=\"" + kColumns[c].second + "\">" + numbers[2 * c + 1] + "</small></td>";
    text += "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string difference_table(const StudyReport& report) {
  if (report.differences.empty()) return "";
  const Axis axis = bar_axis(report);
  std::string text =
      "<table class=\"differences\">\n<thead><tr><th>arm</th><th>points<small>95 % interval</small></th>"
      "<th class=\"bar-cell\">" +
      bar_head(axis) + "</th></tr></thead>\n<tbody>\n";
  for (const ReportDifference& d : report.differences) {
    text += "<tr><th>" + escaped(d.arm) + "<small>" + verdict_text(d) + " " + escaped(d.to) +
            "</small></th><td><strong>" + signed_decimal(d.mean, 2) + "</strong><small>" + interval_text(d) +
            "</small></td><td class=\"bar-cell\">" + interval_bar(report, d, axis) + "</td></tr>\n";
  }
  return text + "</tbody></table>\n";
}

}  // namespace vmoe
