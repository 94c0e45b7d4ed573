#include "train/report/plot.h"

#include <algorithm>

#include "train/report/markup.h"

namespace vmoe {
namespace {

constexpr double kMostSteps = 8.5;  // steps of 1, 2, 5 are at most 2.5 times too long: at least 3 fit

/// The smallest of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not below `size` (> 0), and its decimals.
double round_step(double size, int& places) {
  double power = 1;
  places = 0;
  while (power > size) {
    power /= 10;
    ++places;
  }
  while (power * 10 <= size) {
    power *= 10;
    places = std::max(places - 1, 0);
  }
  if (size <= power) return power;
  if (size <= 2 * power) return 2 * power;
  if (size <= 5 * power) return 5 * power;
  places = std::max(places - 1, 0);
  return 10 * power;
}

}  // namespace

void Extremes::add(double value) {
  if (!std::isfinite(value)) return;
  low = std::min(low, value);
  high = std::max(high, value);
}

Axis make_axis(const Extremes& range, double from, double to, double least_span) {
  const double low = range.empty() ? 0 : range.low, high = range.empty() ? 0 : range.high;
  const double missing = std::max(least_span - (high - low), 0.0), margin = 0.07 * (high - low + missing);
  const double start = low - missing / 2 - margin;
  // Values of which none is negative have no axis below zero.
  const double first = low >= 0 ? std::max(start, 0.0) : start;
  Axis axis{first, std::max(high + missing / 2 + margin, first + least_span), from, to, {}, 0};
  const double step = round_step((axis.high - axis.low) / kMostSteps, axis.places);
  for (double i = std::ceil(axis.low / step - 1e-9); i * step <= axis.high * (1 + 1e-12); ++i)
    axis.ticks.push_back(i * step);
  return axis;
}

Axis x_axis(const Extremes& range, double least_span) {
  return make_axis(range, kPlotFrame.left, kPlotFrame.right(), least_span);
}

Axis y_axis(const Extremes& range, double least_span) {
  return make_axis(range, kPlotFrame.bottom(), kPlotFrame.top, least_span);
}

void draw_axes(Svg& svg, const Axis& x, const Axis& y, const std::string& x_name, const std::string& y_name) {
  for (const double tick : y.ticks) {
    svg.line({x.from, y.at(tick)}, {x.to, y.at(tick)}, "grid");
    svg.text({x.from - 6, y.at(tick) + 4}, decimal(tick, y.places), "tick", Anchor::end);
  }
  for (const double tick : x.ticks) {
    svg.line({x.at(tick), y.from}, {x.at(tick), y.from + 4}, "axis");
    svg.text({x.at(tick), y.from + 17}, decimal(tick, x.places), "tick", Anchor::middle);
  }
  svg.line({x.from, y.from}, {x.to, y.from}, "axis");
  svg.text({(x.from + x.to) / 2, y.from + 34}, x_name, "name", Anchor::middle);
  svg.text({x.from - 36, y.to - 14}, y_name, "name");
}

}  // namespace vmoe
