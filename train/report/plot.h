#pragma once
// What every plot needs: axes with round ticks, the frame, and labels beside points that don't cover each
// other.

#include <string>
#include <vector>

#include "train/report/svg.h"

namespace vmoe {

/// A linear axis: values low .. high lie on pixels from .. to.
struct Axis {
  double low = 0, high = 1, from = 0, to = 1;
  std::vector<double> ticks;  // 1, 2 or 5 times a power of ten apart
  int places = 0;             // decimals that tell the ticks apart

  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

/// An axis that shows low .. high and a margin of 7 % on both sides, and at least `least_span` (> 0), so that
/// differences without meaning don't look large. About `ticks` ticks. Values that are not finite count as 0.
Axis make_axis(double low, double high, double from, double to, double least_span, int ticks = 5);

/// Grid lines, ticks' numbers, and the names of both axes. x's pixels run right, y's upwards (from > to).
void draw_axes(Svg& svg, const Axis& x, const Axis& y, const std::string& x_name, const std::string& y_name);

/// What a label stands beside.
struct LabelledPoint {
  Point at;
  double width = 0;  // of the label
};

/// Boxes for the labels, [points], each of its width and of `height`, inside `frame` (where it fits at all):
/// as near to its point as it can be without covering another label (a dozen labels find room in any plot),
/// and, next, without covering points or `obstacles`, or lines that lead to labels.
std::vector<Box> place_labels(const std::vector<LabelledPoint>& points, double height, const Box& frame,
                              const std::vector<Box>& obstacles = {});

}  // namespace vmoe
