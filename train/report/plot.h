#pragma once
// What every plot needs: axes with round ticks, and the frame that they are drawn on.

#include <cmath>
#include <string>
#include <vector>

#include "train/report/svg.h"

namespace vmoe {

/// A plot's size and the room between its axes: a small drawing with large letters, which still reads well at
/// the width of a phone.
constexpr double kPlotWidth = 420, kPlotHeight = 300;
constexpr Rectangle kPlotFrame = {46, 26, kPlotWidth - 46 - 12, kPlotHeight - 26 - 42};

/// The extremes of those values that are finite.
struct Extremes {
  double low = INFINITY, high = -INFINITY;
  void add(double value);
  bool empty() const { return low > high; }
};

/// A linear axis: values low .. high lie on pixels from .. to.
struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  std::vector<double> ticks;  // 3 to 9; 1, 2 or 5 times a power of ten apart
  int places = 0;             // decimals that tell the ticks apart

  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

/// An axis that shows the range and a margin of 7 % on both sides, and at least `least_span` (> 0), so that
/// differences without meaning don't look large. An empty range is 0 .. 0.
Axis make_axis(const Extremes& range, double from, double to, double least_span);
/// The axes of a plot's frame: x runs right, y upwards.
Axis x_axis(const Extremes& range, double least_span);
Axis y_axis(const Extremes& range, double least_span);

/// Grid lines, ticks' numbers, and the names of both axes with their units.
void draw_axes(Svg& svg, const Axis& x, const Axis& y, const std::string& x_name, const std::string& y_name);

}  // namespace vmoe
