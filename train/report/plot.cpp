#include "train/report/plot.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/report/markup.h"

namespace vmoe {
namespace {

/// The largest of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not above `size` (> 0), and its decimals.
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
  return size >= 5 * power ? 5 * power : size >= 2 * power ? 2 * power : power;
}

Point nearest(const Box& box, Point p) {
  return {std::clamp(p.x, box.left, box.right()), std::clamp(p.y, box.top, box.bottom())};
}

double distance(Point a, Point b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
}

Box marker_box(Point p) {
  return {p.x - 6, p.y - 6, 12, 12};
}

/// Whether the line from a point to its label passes through a box.
bool leads_through(Point from, Point to, const Box& box) {
  constexpr int kSteps = 24;
  for (int i = 1; i < kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const Point p = {from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)};
    if (p.x > box.left && p.x < box.right() && p.y > box.top && p.y < box.bottom()) return true;
  }
  return false;
}

double cost(const Box& label, size_t own, const std::vector<LabelledPoint>& points,
            const std::vector<Box>& placed, const std::vector<size_t>& owners,
            const std::vector<Box>& obstacles) {
  const Point from = points[own].at, to = nearest(label, from);
  double sum = distance(from, to);
  for (size_t i = 0; i < placed.size(); ++i) {
    const double covered = overlap(label, placed[i]);
    if (covered > 0) sum += 1e6 + 1e3 * covered;
    if (leads_through(from, to, placed[i])) sum += 300;
    const Point other = points[owners[i]].at;
    if (leads_through(other, nearest(placed[i], other), label)) sum += 300;
  }
  for (size_t i = 0; i < points.size(); ++i) {
    if (overlap(label, marker_box(points[i].at)) > 0) sum += 150;
    if (i != own && leads_through(from, to, marker_box(points[i].at))) sum += 40;
  }
  for (const Box& obstacle : obstacles)
    if (overlap(label, obstacle) > 0) sum += 30;
  return sum;
}

}  // namespace

Axis make_axis(double low, double high, double from, double to, double least_span, int ticks) {
  if (!std::isfinite(low)) low = 0;
  if (!std::isfinite(high)) high = low;
  const double missing = std::max(least_span - (high - low), 0.0), margin = 0.07 * (high - low + missing);
  // Nothing that is measured here is negative: an axis of such values does not begin below zero.
  const double start = low - missing / 2 - margin;
  const double first = low >= 0 ? std::max(start, 0.0) : start;
  Axis axis{first, std::max(high + missing / 2 + margin, first + least_span), from, to, {}, 0};
  const double step = round_step((axis.high - axis.low) / ticks * 1.2, axis.places);
  for (double i = std::ceil(axis.low / step - 1e-9); i * step <= axis.high * (1 + 1e-12); ++i)
    axis.ticks.push_back(i * step);
  return axis;
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
  svg.text({x.from - 36, y.to - 9}, y_name, "name");
}

std::vector<Box> place_labels(const std::vector<LabelledPoint>& points, double height, const Box& frame,
                              const std::vector<Box>& obstacles) {
  std::vector<Box> boxes(points.size()), placed;
  std::vector<size_t> owners, order(points.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return points[a].at.y < points[b].at.y; });
  for (const size_t own : order) {
    const auto& [at, width] = points[own];
    const double last_left = std::max(frame.left, frame.right() - width);
    const double last_top = std::max(frame.top, frame.bottom() - height);
    Box best;
    double least = std::numeric_limits<double>::infinity();
    // On either side, above and below, near and far: every height that the frame has.
    for (const double away : {9.0, 26.0, 60.0, -width / 2}) {
      for (const bool right : {true, false}) {
        for (int row = 0; row * height / 3 < 2 * frame.height; ++row) {
          const double dy = (row % 2 == 0 ? -1 : 1) * ((row + 1) / 2) * (height / 3);
          const double wanted = right ? at.x + away : at.x - away - width;
          const Box label = {std::clamp(wanted, frame.left, last_left),
                             std::clamp(at.y - height / 2 + dy, frame.top, last_top), width, height};
          // Beside a point is where a reader looks first.
          const double moved = std::abs(label.left - wanted) + (away < 0 ? 12 : 0);
          const double here = moved + cost(label, own, points, placed, owners, obstacles);
          if (here < least) {
            least = here;
            best = label;
          }
        }
      }
    }
    boxes[own] = best;
    placed.push_back(best);
    owners.push_back(own);
  }
  return boxes;
}

}  // namespace vmoe
