#include "train/report/label_places.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vmoe {
namespace {

constexpr double kBeside = 11;  // from a point to the label beside it: clear of the point's bars

Point nearest(const Rectangle& box, Point p) {
  return {std::clamp(p.x, box.left, box.right()), std::clamp(p.y, box.top, box.bottom())};
}

double distance(Point a, Point b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y));
}

Rectangle marker_box(Point p) {
  return {p.x - 6, p.y - 6, 12, 12};
}

/// Whether the line from a point to its label passes through a box.
bool leads_through(Point from, Point to, const Rectangle& box) {
  constexpr int kSteps = 24;
  for (int i = 1; i < kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const Point p = {from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)};
    if (p.x > box.left && p.x < box.right() && p.y > box.top && p.y < box.bottom()) return true;
  }
  return false;
}

double cost(const Rectangle& label, size_t own, const std::vector<LabelledPoint>& points,
            const std::vector<Rectangle>& placed, const std::vector<size_t>& owners,
            const std::vector<Rectangle>& obstacles) {
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
  for (const Rectangle& obstacle : obstacles)
    if (overlap(label, obstacle) > 0) sum += 30;
  return sum;
}

}  // namespace

std::vector<Rectangle> place_labels(const std::vector<LabelledPoint>& points, double height,
                                    const Rectangle& frame, const std::vector<Rectangle>& obstacles) {
  std::vector<Rectangle> boxes(points.size()), placed;
  std::vector<size_t> owners, order(points.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return points[a].at.y < points[b].at.y; });
  for (const size_t own : order) {
    const auto& [at, width] = points[own];
    const double last_left = std::max(frame.left, frame.right() - width);
    const double last_top = std::max(frame.top, frame.bottom() - height);
    Rectangle best;
    double least = std::numeric_limits<double>::infinity();
    // On either side, above and below, near and far: every height that the frame has.
    for (const double away : {kBeside, 26.0, 60.0, 150.0, -width / 2}) {
      for (const bool right : {true, false}) {
        for (int row = 0; row * height / 3 < 2 * frame.height; ++row) {
          const double dy = (row % 2 == 0 ? -1 : 1) * ((row + 1) / 2) * (height / 3);
          const double wanted = right ? at.x + away : at.x - away - width;
          const Rectangle label = {std::clamp(wanted, frame.left, last_left),
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
