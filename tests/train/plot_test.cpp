#include "train/report/plot.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "train/report/label_places.h"
#include "train/report/markup.h"

using namespace vmoe;

TEST_CASE("numbers and text in a page") {
  CHECK(escaped("a<b>&\"c'\x02\n") == "a&lt;b&gt;&amp;&quot;c&#39;\uFFFD\n");
  CHECK(decimal(1.005e3, 1) == "1005.0");
  CHECK(decimal(-0.04, 1) == "0.0");
  CHECK(decimal(-0.06, 1) == "−0.1");
  CHECK(decimal(NAN, 1) == "–");
  CHECK(signed_decimal(0.04, 1) == "0.0");
  CHECK(signed_decimal(2.5, 1) == "+2.5");
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(0.5) == "0.50");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(999.6) == "1.00 k");
  CHECK(with_thousands(24.2e6) == "24.2 M");
  CHECK(with_thousands(999.6e6) == "1.00 G");
  CHECK(percentage(0.125, 1) == "12.5 %");
  CHECK(shortened("abcd", 4) == "abcd");
  CHECK(shortened("abcde", 4) == "abc…");
  CHECK(shortened("äöüßé", 4) == "äöü…");
  // RFC 4648, section 10.
  CHECK(base64("") == "");
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64("\xff\xfe\xfd") == "//79");
}

TEST_CASE("an axis shows its values between round ticks") {
  struct Case {
    double low, high, least;
  };
  for (const Case& c : {Case{51, 63, 2},
                        {0, 0, 1},
                        {-3, 4.5, 1},
                        {24.1, 24.3, 7},
                        {1e-4, 3e-4, 1e-5},
                        {0, 86, 1},
                        {56.1, 63.4, 2}}) {
    CAPTURE(c.high);
    const Axis axis = make_axis({c.low, c.high}, 40, 400, c.least);
    CHECK(axis.low <= c.low);
    CHECK(axis.high >= c.high);
    CHECK(axis.high - axis.low >= c.least);
    CHECK((axis.ticks.size() >= 3 && axis.ticks.size() <= 9));
    CHECK(axis.ticks.front() >= axis.low);
    CHECK(axis.ticks.back() <= axis.high * (1 + 1e-9));
    for (size_t i = 1; i < axis.ticks.size(); ++i)
      CHECK(decimal(axis.ticks[i], axis.places) != decimal(axis.ticks[i - 1], axis.places));
    CHECK(std::abs(axis.at(axis.low) - 40) <= 1e-9);
    CHECK(std::abs(axis.at(axis.high) - 400) <= 1e-9);
  }
  Extremes nothing;
  for (const double value : {double{NAN}, double{INFINITY}, -double{INFINITY}}) nothing.add(value);
  REQUIRE(nothing.empty());
  CHECK(make_axis(nothing, 0, 1, 1).ticks.size() >= 3);
}

TEST_CASE("labels of crowded points don't cover each other, and stay in the frame") {
  const Rectangle frame = {46, 26, 362, 232};
  const double height = 15.5;
  // Points in a heap, on a column (equal FLOPs) and in a row, in the middle and in corners.
  for (const Point centre : {Point{220, 140}, {50, 30}, {400, 250}, {46, 258}}) {
    for (const Point apart : {Point{0, 0}, {0, 4}, {0, 12}, {6, 0}, {-3, 5}}) {
      std::vector<LabelledPoint> points;
      for (int i = 0; i < 12; ++i) {
        Point at = {centre.x + (i - 6) * apart.x, centre.y + (i - 6) * apart.y};
        points.push_back({at, 40.0 + 10 * (i % 9)});
      }
      const std::vector<Rectangle> boxes = place_labels(points, height, frame);
      REQUIRE(boxes.size() == points.size());
      CAPTURE(centre.x);
      CAPTURE(apart.y);
      for (size_t i = 0; i < boxes.size(); ++i) {
        CHECK(boxes[i].width == points[i].width);
        CHECK(boxes[i].height == height);
        CHECK((boxes[i].left >= frame.left && boxes[i].right() <= frame.right() + 1e-9));
        CHECK((boxes[i].top >= frame.top && boxes[i].bottom() <= frame.bottom() + 1e-9));
        for (size_t j = 0; j < i; ++j) CHECK(overlap(boxes[i], boxes[j]) <= 1e-9);
      }
    }
  }
  // A point alone has its label beside it, on the left where the frame ends.
  CHECK(place_labels({{{100, 100}, 50}}, height, frame)[0].left == 111);
  CHECK(place_labels({{{400, 100}, 50}}, height, frame)[0].right() == 389);
}

TEST_CASE("a curve has a gap where a value is missing") {
  Svg svg(10, 10, "a \"b\"");
  const std::vector<Point> points = {{0, 1}, {1.25, 2}, {2, NAN}, {3, 4}, {4, 5}};
  svg.polyline(points, "curve");
  const std::string text = svg.element();
  CHECK(text.find("d=\"M0 1 1.3 2 M3 4 4 5\"") != std::string::npos);
  CHECK(text.find("aria-label=\"a &quot;b&quot;\"") != std::string::npos);
}
