// Curves over epochs.

#include <cmath>
#include <map>

#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/plot.h"

namespace vmoe {
namespace {

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
  Extremes xs, ys;
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
  const Axis x = x_axis(xs, 4), y = y_axis(ys, least_span);
  Svg svg(kPlotWidth, kPlotHeight, y_name + " over epochs, one curve an arm");
  draw_axes(svg, x, y, "epoch", y_name);
  for (size_t i = 0; i < report.arms.size(); ++i)
    if (!report.arms[i].curves.empty())
      draw_arm(svg, report.arms[i], static_cast<int>(i), values, x, y, scale);
  return svg.element();
}

}  // namespace

std::string loss_curves(const StudyReport& report) {
  return draw_curves(report, &ReportCurve::train_loss, 1, "training loss", 0.05);
}

std::string holdout_curves(const StudyReport& report) {
  return draw_curves(report, &ReportCurve::holdout_top1, 100, "hold-out top-1, %", 1);
}

std::string legend(const StudyReport& report) {
  std::string text;
  for (size_t i = 0; i < report.arms.size(); ++i)
    text += "<span>" + mark(static_cast<int>(i)) + escaped(report.arms[i].name) + "</span>\n";
  return text.empty() ? "" : "<p class=\"legend\">\n" + text + "</p>\n";
}

}  // namespace vmoe
