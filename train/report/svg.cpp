#include "train/report/svg.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "train/report/markup.h"

namespace vmoe {
namespace {

/// A coordinate to a tenth of a pixel, without trailing zero.
std::string coordinate(double value) {
  std::array<char, 400> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(),
                                 std::round(value * 10) / 10 + 0.0, std::chars_format::fixed, 1);
  std::string text(digits.data(), end.ptr);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + coordinate(value) + "\"";
}

std::string class_attribute(std::string_view css_class) {
  return css_class.empty() ? "" : " class=\"" + std::string(css_class) + "\"";
}

bool is_finite(const Point& p) {
  return std::isfinite(p.x) && std::isfinite(p.y);
}

}  // namespace

double overlap(const Rectangle& a, const Rectangle& b) {
  const double width = std::min(a.right(), b.right()) - std::max(a.left, b.left);
  const double height = std::min(a.bottom(), b.bottom()) - std::max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

Svg::Svg(double width, double height, std::string_view description, std::string_view css_class) {
  text_ = "<svg" + class_attribute(css_class) + " viewBox=\"0 0 " + coordinate(width) + " " +
          coordinate(height) + "\" role=\"img\" aria-label=\"" + escaped(description) + "\">\n";
}

void Svg::line(Point from, Point to, std::string_view css_class) {
  text_ += "<line" + class_attribute(css_class) + attribute("x1", from.x) + attribute("y1", from.y) +
           attribute("x2", to.x) + attribute("y2", to.y) + "/>\n";
}

void Svg::polyline(std::span<const Point> points, std::string_view css_class) {
  std::string path;
  bool pen_down = false;
  for (const Point& point : points) {
    const bool here = is_finite(point);
    if (here)
      path += (pen_down ? " " : path.empty() ? "M" : " M") + coordinate(point.x) + " " + coordinate(point.y);
    pen_down = here;
  }
  if (!path.empty()) text_ += "<path" + class_attribute(css_class) + " d=\"" + path + "\"/>\n";
}

void Svg::rect(const Rectangle& box, std::string_view css_class, double opacity) {
  text_ += "<rect" + class_attribute(css_class) + attribute("x", box.left) + attribute("y", box.top) +
           attribute("width", box.width) + attribute("height", box.height);
  if (opacity < 1) text_ += " fill-opacity=\"" + decimal(std::max(opacity, 0.0), 2) + "\"";
  text_ += "/>\n";
}

void Svg::text(Point baseline, std::string_view text, std::string_view css_class, Anchor anchor,
               double turned) {
  text_ += "<text" + class_attribute(css_class) + attribute("x", baseline.x) + attribute("y", baseline.y);
  if (anchor == Anchor::middle) text_ += " text-anchor=\"middle\"";
  if (anchor == Anchor::end) text_ += " text-anchor=\"end\"";
  if (turned != 0)
    text_ += " transform=\"rotate(" + coordinate(turned) + " " + coordinate(baseline.x) + " " +
             coordinate(baseline.y) + ")\"";
  text_ += ">" + escaped(text) + "</text>\n";
}

void Svg::marker(Point at, int series, double radius) {
  if (series % 5 == 0) {
    text_ += "<circle class=\"marker\"" + attribute("cx", at.x) + attribute("cy", at.y) +
             attribute("r", radius) + "/>\n";
    return;
  }
  const double r = radius, s = 0.88 * r, t = 1.15 * r;  // of about equal area
  const std::array<std::vector<Point>, 4> shapes = {
      {{{-s, -s}, {s, -s}, {s, s}, {-s, s}},
       {{0, -1.3 * r}, {1.3 * r, 0}, {0, 1.3 * r}, {-1.3 * r, 0}},
       {{0, -t}, {t, 0.85 * r}, {-t, 0.85 * r}},
       {{0, t}, {t, -0.85 * r}, {-t, -0.85 * r}}}};
  text_ += "<polygon class=\"marker\" points=\"";
  const auto& shape = shapes[static_cast<size_t>(series % 5 - 1)];
  for (size_t i = 0; i < shape.size(); ++i)
    text_ += (i ? " " : "") + coordinate(at.x + shape[i].x) + "," + coordinate(at.y + shape[i].y);
  text_ += "\"/>\n";
}

void Svg::image(const Rectangle& box, const std::string& address, std::string_view css_class) {
  text_ += "<image" + class_attribute(css_class) + attribute("x", box.left) + attribute("y", box.top) +
           attribute("width", box.width) + attribute("height", box.height) + " href=\"" + escaped(address) +
           "\"/>\n";
}

void Svg::begin(std::string_view css_class, std::string_view tooltip) {
  text_ += "<g" + class_attribute(css_class) + ">";
  if (!tooltip.empty()) text_ += "<title>" + escaped(tooltip) + "</title>";
  text_ += "\n";
}

void Svg::end() {
  text_ += "</g>\n";
}

std::string series_class(int series) {
  return "s" + std::to_string(series % 8);
}

}  // namespace vmoe
