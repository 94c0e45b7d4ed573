#include "train/confusion_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace vmoe {
namespace {

using Colour = std::array<uint8_t, 3>;

constexpr Colour kWhite = {255, 255, 255}, kBlue = {38, 104, 178}, kDarkBlue = {8, 29, 74},
                 kGrey = {205, 205, 205}, kOrange = {232, 119, 34};
constexpr int kSide = 1280, kLargestCell = 40;

Colour between(const Colour& a, const Colour& b, double share) {
  Colour colour;
  for (size_t c = 0; c < 3; ++c) colour[c] = static_cast<uint8_t>(std::lround(a[c] + share * (b[c] - a[c])));
  return colour;
}

Colour colour_of(double share) {
  const double depth = std::sqrt(std::clamp(share, 0.0, 1.0));
  return depth < 0.5 ? between(kWhite, kBlue, 2 * depth) : between(kBlue, kDarkBlue, 2 * depth - 1);
}

/// Where classes and lines are, along either side.
struct Layout {
  explicit Layout(const SuperClasses& division) : order(division.classes.size()) {
    const int classes = static_cast<int>(order.size());
    cell = std::clamp(kSide / classes, 1, kLargestCell);
    line = cell >= 4 ? 2 : 1;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return division.super_class[a] < division.super_class[b]; });
    int place = 0;
    for (int i = 0; i < classes; ++i) {
      const bool first = i == 0 || division.super_class[order[i]] != division.super_class[order[i - 1]];
      if (first) {
        lines.push_back(place);
        place += line;
      }
      starts.push_back(place);
      place += cell;
    }
    lines.push_back(place);
    side = place + line;
  }

  int cell, line, side;
  std::vector<int> order;   // [K] classes from the left
  std::vector<int> starts;  // [K] first pixel of each place's cell
  std::vector<int> lines;   // [E + 1] first pixel of each line
};

void fill(Picture& picture, int left, int top, int width, int height, const Colour& colour) {
  for (int y = top; y < top + height; ++y) {
    uint8_t* row = picture.pixels.data() + (static_cast<size_t>(y) * picture.width + left) * 3;
    for (int x = 0; x < width; ++x) std::copy(colour.begin(), colour.end(), row + 3 * x);
  }
}

void draw_cells(Picture& picture, const Layout& layout, std::span<const double> confusion) {
  const size_t classes = layout.order.size();
  for (size_t i = 0; i < classes; ++i) {
    const double* row = confusion.data() + static_cast<size_t>(layout.order[i]) * classes;
    const double images = std::accumulate(row, row + classes, 0.0);
    for (size_t j = 0; j < classes; ++j) {
      const double share = images > 0 ? row[layout.order[j]] / images : 0;
      fill(picture, layout.starts[j], layout.starts[i], layout.cell, layout.cell, colour_of(share));
    }
  }
}

void draw_lines(Picture& picture, const Layout& layout) {
  const int line = layout.line;
  for (const int at : layout.lines) {
    fill(picture, at, 0, line, layout.side, kGrey);
    fill(picture, 0, at, layout.side, line, kGrey);
  }
  for (size_t e = 0; e + 1 < layout.lines.size(); ++e) {
    const int from = layout.lines[e], to = layout.lines[e + 1], side = to + line - from;
    for (const int at : {from, to}) {
      fill(picture, at, from, line, side, kOrange);
      fill(picture, from, at, side, line, kOrange);
    }
  }
}

}  // namespace

Picture draw_confusion(std::span<const double> confusion, const SuperClasses& division) {
  const size_t classes = division.classes.size();
  if (classes < 1 || confusion.size() != classes * classes || division.super_class.size() != classes) {
    throw ShapeError("draw_confusion: the confusion matrix must be [K, K] for " + std::to_string(classes) +
                     " classes");
  }
  const Layout layout(division);
  Picture picture{std::vector<uint8_t>(static_cast<size_t>(layout.side) * layout.side * 3), layout.side,
                  layout.side};
  draw_cells(picture, layout, confusion);
  draw_lines(picture, layout);
  return picture;
}

}  // namespace vmoe
