// Accuracy against what it costs.

#include <algorithm>
#include <cmath>

#include "train/report/label_places.h"
#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/plot.h"

namespace vmoe {
namespace {

constexpr double kFont = 12.5;
constexpr int kLabelLetters = 24;

struct Mark {
  int arm = 0;
  std::string name, tooltip;
  double x = 0, x_high = 0;   // x_high above x: a whisker to the right
  MeanDeviation top1{};       // in percent
  std::vector<double> seeds;  // in percent
};

Mark mark_of(const StudyReport& report, size_t number, double x, double x_high) {
  const ReportArm& arm = report.arms[number];
  Mark mark{
      static_cast<int>(number), arm.name, "", x, std::isfinite(x_high) ? std::max(x, x_high) : x, {}, {}};
  for (const double share : arm.top1)
    if (std::isfinite(share)) mark.seeds.push_back(100 * share);
  mark.top1 = mean_deviation(mark.seeds);
  mark.tooltip = arm.name + ": " + decimal(mark.top1.mean, 2) + " %";
  if (mark.top1.count > 1)
    mark.tooltip +=
        " ± " + decimal(mark.top1.deviation, 2) + " (" + std::to_string(mark.top1.count) + " seeds)";
  return mark;
}

double half_bar(const Mark& mark) {
  return mark.top1.count > 1 ? mark.top1.deviation : 0;
}

Point at(const Mark& mark, const Axis& x, const Axis& y) {
  return {x.at(mark.x), y.at(mark.top1.mean)};
}

/// Bars, and the line that leads to a label which is not near.
void draw_spread(Svg& svg, const Axis& x, const Axis& y, const Mark& mark, const Rectangle& label) {
  constexpr double kCap = 4;
  const Point from = at(mark, x, y);
  svg.begin("arm " + series_class(mark.arm), mark.tooltip);
  const Point to = {std::clamp(from.x, label.left, label.right()),
                    std::clamp(from.y, label.top, label.bottom())};
  if (std::abs(to.x - from.x) > 14 || std::abs(to.y - from.y) > 8) svg.line(from, to, "leader");
  if (mark.x_high > mark.x) svg.line(from, {x.at(mark.x_high), from.y}, "whisker");
  if (const double half = half_bar(mark); half > 0) {
    const double above = y.at(mark.top1.mean + half), below = y.at(mark.top1.mean - half);
    svg.line({from.x, above}, {from.x, below}, "bar");
    for (const double end : {above, below}) svg.line({from.x - kCap, end}, {from.x + kCap, end}, "bar");
  }
  if (mark.seeds.size() > 1)
    for (const double seed : mark.seeds) svg.line({from.x - 9, y.at(seed)}, {from.x - 5, y.at(seed)}, "seed");
  svg.end();
}

void draw_marker(Svg& svg, const Mark& mark, Point at, const Rectangle& label) {
  svg.begin("arm " + series_class(mark.arm), mark.tooltip);
  svg.marker(at, mark.arm);
  // The end that is near the point is exact, whatever font the reader has.
  const bool left = label.right() < at.x;
  svg.text({left ? label.right() - 2 : label.left + 2, label.bottom() - 3.5},
           shortened(mark.name, kLabelLetters), "label", left ? Anchor::end : Anchor::start);
  svg.end();
}

std::string draw_accuracy(const std::vector<Mark>& marks, const std::string& x_name) {
  if (marks.empty()) return "";
  Extremes xs, ys;
  for (const Mark& mark : marks) {
    xs.add(mark.x);
    xs.add(mark.x_high);
    ys.add(mark.top1.mean - half_bar(mark));
    ys.add(mark.top1.mean + half_bar(mark));
    for (const double seed : mark.seeds) ys.add(seed);
  }
  // Costs that differ by a few percent are equal to the eye, and so are tenths of a point.
  const Axis x = x_axis(xs, std::max(0.3 * xs.high, 1e-9)), y = y_axis(ys, 2);
  std::vector<LabelledPoint> points;
  std::vector<Rectangle> obstacles;
  for (const Mark& mark : marks) {
    const Point from = at(mark, x, y);
    points.push_back({from, text_width(shortened(mark.name, kLabelLetters), kFont) + 4});
    const double half = half_bar(mark), above = y.at(mark.top1.mean + half);
    obstacles.push_back({from.x - 9, above - 1, 13, y.at(mark.top1.mean - half) - above + 2});
    obstacles.push_back({from.x, from.y - 1, x.at(mark.x_high) - from.x, 2});
  }
  const std::vector<Rectangle> labels = place_labels(points, kFont + 3, kPlotFrame, obstacles);
  Svg svg(kPlotWidth, kPlotHeight, "Top-1 accuracy in percent against " + x_name);
  draw_axes(svg, x, y, x_name, "top-1 accuracy, %");
  // No bar covers a marker or a name.
  for (size_t i = 0; i < marks.size(); ++i) draw_spread(svg, x, y, marks[i], labels[i]);
  for (size_t i = 0; i < marks.size(); ++i) draw_marker(svg, marks[i], points[i].at, labels[i]);
  return svg.element();
}

}  // namespace

std::string accuracy_by_flops(const StudyReport& report) {
  double most = 0;
  for (const ReportArm& arm : report.arms)
    if (std::isfinite(arm.flops)) most = std::max(most, arm.flops);
  const double unit = most >= 1e9 ? 1e9 : most >= 1e6 ? 1e6 : 1e3;
  const char* prefix = most >= 1e9 ? "G" : most >= 1e6 ? "M" : "k";
  std::vector<Mark> marks;
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const Mark mark = mark_of(report, i, report.arms[i].flops / unit, ReportArm::kUnknown);
    if (mark.top1.count > 0 && std::isfinite(mark.x)) marks.push_back(mark);
  }
  return draw_accuracy(marks, std::string(prefix) + "FLOPs an image");
}

std::string accuracy_by_latency(const StudyReport& report) {
  std::vector<Mark> marks;
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const Mark mark = mark_of(report, i, report.arms[i].p50_ms, report.arms[i].p95_ms);
    if (mark.top1.count > 0 && std::isfinite(mark.x)) marks.push_back(mark);
  }
  return draw_accuracy(marks, "latency of one image, ms");
}

}  // namespace vmoe
