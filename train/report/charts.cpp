// Accuracy against cost, and curves over epochs.

#include <algorithm>
#include <cmath>
#include <map>

#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/plot.h"

namespace vmoe {
namespace {

// Small drawings with large letters: they still read well at the width of a phone.
constexpr double kWidth = 420, kHeight = 300, kFont = 12.5;
constexpr Box kFrame = {46, 26, kWidth - 46 - 12, kHeight - 26 - 42};
constexpr int kLabelLetters = 24;

/// The finite values' extremes.
struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

Axis x_axis(const Range& range, double least_span) {
  return make_axis(range.low, range.high, kFrame.left, kFrame.right(), least_span);
}

Axis y_axis(const Range& range, double least_span) {
  return make_axis(range.low, range.high, kFrame.bottom(), kFrame.top, least_span, 6);
}

// --- Accuracy against cost
// ---------------------------------------------------------------------------------------

struct Mark {
  int arm = 0;
  std::string name, tooltip;
  double x = 0, x_high = 0;   // x_high above x: a whisker to the right
  Spread top1{};              // in percent
  std::vector<double> seeds;  // in percent
};

Mark mark_of(const StudyReport& report, size_t number, double x, double x_high) {
  const ReportArm& arm = report.arms[number];
  Mark mark{
      static_cast<int>(number), arm.name, "", x, std::isfinite(x_high) ? std::max(x, x_high) : x, {}, {}};
  for (const double share : arm.top1)
    if (std::isfinite(share)) mark.seeds.push_back(100 * share);
  mark.top1 = spread_of(mark.seeds);
  mark.tooltip = arm.name + ": " + decimal(mark.top1.mean, 2) + " %";
  if (mark.top1.count > 1)
    mark.tooltip +=
        " ± " + decimal(mark.top1.deviation, 2) + " (" + std::to_string(mark.top1.count) + " seeds)";
  return mark;
}

double half_bar(const Mark& mark) {
  return mark.top1.count > 1 ? mark.top1.deviation : 0;
}

void draw_mark(Svg& svg, const Axis& x, const Axis& y, const Mark& mark, const Box& label, Point at) {
  constexpr double kCap = 4;
  svg.begin("arm " + series_class(mark.arm), mark.tooltip);
  const Point to = {std::clamp(at.x, label.left, label.right()), std::clamp(at.y, label.top, label.bottom())};
  if (std::abs(to.x - at.x) > 12 || std::abs(to.y - at.y) > 8) svg.line(at, to, "leader");
  if (mark.x_high > mark.x) svg.line(at, {x.at(mark.x_high), at.y}, "whisker");
  if (const double half = half_bar(mark); half > 0) {
    const double above = y.at(mark.top1.mean + half), below = y.at(mark.top1.mean - half);
    svg.line({at.x, above}, {at.x, below}, "bar");
    svg.line({at.x - kCap, above}, {at.x + kCap, above}, "bar");
    svg.line({at.x - kCap, below}, {at.x + kCap, below}, "bar");
  }
  if (mark.seeds.size() > 1)
    for (const double seed : mark.seeds) svg.line({at.x - 9, y.at(seed)}, {at.x - 5, y.at(seed)}, "seed");
  svg.marker(at, mark.arm);
  svg.text({label.left + 2, label.bottom() - 3.5}, shortened(mark.name, kLabelLetters), "label");
  svg.end();
}

std::string draw_accuracy(const std::vector<Mark>& marks, const std::string& x_name) {
  if (marks.empty()) return "";
  Range xs, ys;
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
  std::vector<Box> obstacles;
  for (const Mark& mark : marks) {
    const Point at = {x.at(mark.x), y.at(mark.top1.mean)};
    points.push_back({at, text_width(shortened(mark.name, kLabelLetters), kFont) + 4});
    const double half = half_bar(mark), above = y.at(mark.top1.mean + half);
    obstacles.push_back({at.x - 9, above - 1, 13, y.at(mark.top1.mean - half) - above + 2});
    obstacles.push_back({at.x, at.y - 1, x.at(mark.x_high) - at.x, 2});
  }
  const std::vector<Box> labels = place_labels(points, kFont + 3, kFrame, obstacles);
  Svg svg(kWidth, kHeight, "Top-1 accuracy in percent against " + x_name);
  draw_axes(svg, x, y, x_name, "top-1 accuracy, %");
  for (size_t i = 0; i < marks.size(); ++i) draw_mark(svg, x, y, marks[i], labels[i], points[i].at);
  return svg.element();
}

// --- Curves
// ----------------------------------------------------------------------------------------------------------

using Values = std::vector<double> ReportCurve::*;

/// The mean over seeds at those epochs that every seed has.
std::vector<Point> mean_curve(const std::vector<ReportCurve>& curves, Values values) {
  std::map<double, std::pair<double, size_t>> sums;
  for (const ReportCurve& curve : curves) {
    for (size_t i = 0; i < curve.epoch.size(); ++i) {
      auto& [sum, count] = sums[curve.epoch[i]];
      sum += (curve.*values)[i];
      ++count;
    }
  }
  std::vector<Point> points;
  for (const auto& [epoch, sum] : sums)
    if (sum.second == curves.size() && std::isfinite(sum.first))
      points.push_back({epoch, sum.first / static_cast<double>(sum.second)});
  return points;
}

/// About 200 of the points, the last among them: more don't show, and make a large page.
std::vector<Point> thinned(const std::vector<Point>& points) {
  const size_t step = points.size() / 200 + 1;
  std::vector<Point> some;
  for (size_t i = (points.size() + step - 1) % step; i < points.size(); i += step) some.push_back(points[i]);
  return some;
}

std::vector<Point> on_axes(const std::vector<Point>& values, const Axis& x, const Axis& y, double scale) {
  std::vector<Point> points = thinned(values);
  for (Point& point : points) point = {x.at(point.x), y.at(scale * point.y)};
  return points;
}

void draw_arm(Svg& svg, const ReportArm& arm, int number, Values values, const Axis& x, const Axis& y,
              double scale) {
  const std::vector<Point> mean = mean_curve(arm.curves, values);
  const std::string count =
      arm.curves.size() > 1 ? ", mean of " + std::to_string(arm.curves.size()) + " seeds" : "";
  const std::string last =
      mean.empty() ? "" : ": " + decimal(scale * mean.back().y, 2) + " at the end" + count;
  svg.begin("arm " + series_class(number), arm.name + last);
  if (arm.curves.size() > 1) {
    for (const ReportCurve& curve : arm.curves) {
      std::vector<Point> points;
      for (size_t i = 0; i < curve.epoch.size(); ++i)
        if (std::isfinite((curve.*values)[i])) points.push_back({curve.epoch[i], (curve.*values)[i]});
      svg.polyline(on_axes(points, x, y, scale), "thin");
    }
  }
  const std::vector<Point> points = on_axes(mean, x, y, scale);
  svg.polyline(points, number >= 8 ? "curve dashed" : "curve");
  if (!points.empty()) svg.marker(points.back(), number, 4);
  svg.end();
}

std::string draw_curves(const StudyReport& report, Values values, double scale, const std::string& y_name,
                        double least_span) {
  Range xs, ys;
  for (const ReportArm& arm : report.arms) {
    for (const ReportCurve& curve : arm.curves) {
      for (size_t i = 0; i < curve.epoch.size(); ++i) {
        if (!std::isfinite((curve.*values)[i])) continue;
        xs.add(curve.epoch[i]);
        ys.add(scale * (curve.*values)[i]);
      }
    }
  }
  if (xs.empty() || ys.empty()) return "";
  const Axis x = x_axis(xs, 1), y = y_axis(ys, least_span);
  Svg svg(kWidth, kHeight, y_name + " over epochs, one curve an arm");
  draw_axes(svg, x, y, "epoch", y_name);
  for (size_t i = 0; i < report.arms.size(); ++i)
    if (!report.arms[i].curves.empty())
      draw_arm(svg, report.arms[i], static_cast<int>(i), values, x, y, scale);
  return svg.element();
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  int count = 0;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    sum += value;
    ++count;
  }
  const double mean = count > 0 ? sum / count : ReportArm::kUnknown;
  for (const double value : values)
    if (std::isfinite(value)) squares += (value - mean) * (value - mean);
  return {mean, count > 1 ? std::sqrt(squares / (count - 1)) : ReportArm::kUnknown, count};
}

std::string accuracy_by_flops(const StudyReport& report) {
  double most = 0;
  for (const ReportArm& arm : report.arms)
    if (std::isfinite(arm.flops)) most = std::max(most, arm.flops);
  const double unit = most >= 1e9 ? 1e9 : most >= 1e6 ? 1e6 : 1e3;
  std::vector<Mark> marks;
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const Mark mark = mark_of(report, i, report.arms[i].flops / unit, ReportArm::kUnknown);
    if (mark.top1.count > 0 && std::isfinite(mark.x)) marks.push_back(mark);
  }
  return draw_accuracy(marks, most >= 1e9   ? "GFLOPs an image"
                              : most >= 1e6 ? "MFLOPs an image"
                                            : "kFLOPs an image");
}

std::string accuracy_by_latency(const StudyReport& report) {
  std::vector<Mark> marks;
  for (size_t i = 0; i < report.arms.size(); ++i) {
    const Mark mark = mark_of(report, i, report.arms[i].p50_ms, report.arms[i].p95_ms);
    if (mark.top1.count > 0 && std::isfinite(mark.x)) marks.push_back(mark);
  }
  return draw_accuracy(marks, "ms an image, batch 1");
}

std::string loss_curves(const StudyReport& report) {
  return draw_curves(report, &ReportCurve::train_loss, 1, "training loss", 0.05);
}

std::string holdout_curves(const StudyReport& report) {
  return draw_curves(report, &ReportCurve::holdout_top1, 100, "hold-out top-1, %", 1);
}

}  // namespace vmoe
