#pragma once
// A drawing that stands in an HTML page (inline SVG). Colours are not its business: shapes have classes, and
// the page's style gives them colours for light, dark and print. Unit: one pixel of the drawing's own size,
// which the page scales to the room it has.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmoe {

struct Point {
  double x = 0, y = 0;
};

struct Rectangle {
  double left = 0, top = 0, width = 0, height = 0;
  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

/// Area that both cover.
double overlap(const Rectangle& a, const Rectangle& b);

enum class Anchor { start, middle, end };

class Svg {
 public:
  /// `description` is read aloud to those who don't see the drawing. It and every text are escaped here;
  /// classes are words of the program.
  Svg(double width, double height, std::string_view description, std::string_view css_class = "chart");

  void line(Point from, Point to, std::string_view css_class);
  /// Joins the points; a point that is not finite leaves a gap.
  void polyline(std::span<const Point> points, std::string_view css_class);
  /// opacity 0 .. 1
  void rect(const Rectangle& box, std::string_view css_class, double opacity = 1);
  /// `baseline` is where the text stands. `turned` is in degrees, clockwise about `baseline`.
  void text(Point baseline, std::string_view text, std::string_view css_class, Anchor anchor = Anchor::start,
            double turned = 0);
  /// One of five shapes, by `series` (circle, square, diamond, triangles), so that series differ in print,
  /// too.
  void marker(Point at, int series, double radius = 5);
  /// `address` as png_address makes it.
  void image(const Rectangle& box, const std::string& address, std::string_view css_class);
  /// What follows until `end` shows `tooltip` (if not empty) under the pointer.
  void begin(std::string_view css_class, std::string_view tooltip = "");
  void end();

  /// The element <svg>...</svg>.
  std::string element() const { return text_ + "</svg>\n"; }

 private:
  std::string text_;
};

/// The class that colours the series of this number: "s0" to "s7", then from the start again.
std::string series_class(int series);

}  // namespace vmoe
