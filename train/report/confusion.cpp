// What the baseline confuses: the matrix, and its largest entries as a table.

#include <algorithm>
#include <cmath>

#include "data/write_png.h"
#include "train/confusion_picture.h"
#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/svg.h"

namespace vmoe {
namespace {

constexpr int kDrawnClasses = 24;  // up to so many, the matrix is drawn with names; a picture above

/// Rows of the confusion scaled to sum 1; rows without images stay 0.
std::vector<double> shares_of(const StudyReport& report) {
  const size_t classes = report.classes.size();
  std::vector<double> shares = report.confusion;
  for (size_t i = 0; i < classes; ++i) {
    double sum = 0;
    for (size_t j = 0; j < classes; ++j) sum += shares[i * classes + j];
    for (size_t j = 0; j < classes && sum > 0; ++j) shares[i * classes + j] /= sum;
  }
  return shares;
}

/// The name of a row at its left end, that of a column leaning from its top.
void draw_names(Svg& svg, const std::string& name, Point corner, double middle) {
  svg.text({corner.x - 5, corner.y + middle + 4}, shortened(name, kNameLetters), "name", Anchor::end);
  svg.text({corner.x + middle + 4, corner.y - 5}, shortened(name, kNameLetters), "name", Anchor::start, -60);
}

/// Few classes: every cell is a shape with a tooltip, every row and column has its name.
std::string drawn_matrix(const StudyReport& report, const std::vector<std::vector<int>>& groups) {
  const auto shares = shares_of(report);
  const size_t classes = report.classes.size();
  const double side = 340, cell = side / static_cast<double>(classes);
  const double names = widest_name(report, kNameLetters, 12);
  // cos 60 and sin 60 degrees of a name that leans.
  const double left = std::max(names + 8, 76.0), top = 0.87 * names + 12;
  const double past = std::max(0.5 * names - cell / 2, 2.0);
  std::vector<int> order;
  for (const auto& group : groups) order.insert(order.end(), group.begin(), group.end());
  Svg svg(left + side + past, top + side + 2, "Confusion matrix of the baseline by super-class");
  svg.text({0, top - 20}, "predicted →", "tick");
  svg.text({0, top - 5}, "true ↓", "tick");
  svg.rect({left, top, side, side}, "paper");
  for (size_t i = 0; i < classes; ++i) {
    const std::string& name = report.classes[static_cast<size_t>(order[i])];
    draw_names(svg, name, {left, top}, (static_cast<double>(i) + 0.5) * cell);
    for (size_t j = 0; j < classes; ++j) {
      const double share = shares[static_cast<size_t>(order[i]) * classes + static_cast<size_t>(order[j])];
      if (share < 0.001) continue;
      const std::string& said = report.classes[static_cast<size_t>(order[j])];
      svg.begin("", "true " + name + ", predicted " + said + ": " + percentage(share, 1));
      const Rectangle box = {left + static_cast<double>(j) * cell, top + static_cast<double>(i) * cell, cell,
                             cell};
      svg.rect(box, "heat", shade_of(share));
      if (cell >= 26)
        svg.text({box.left + cell / 2, box.top + cell / 2 + 4}, decimal(100 * share, 0),
                 share > 0.3 ? "value inverse" : "value", Anchor::middle);
      svg.end();
    }
  }
  double at = 0;
  for (const auto& group : groups) {
    const double size = static_cast<double>(group.size()) * cell;
    svg.rect({left + at, top + at, size, size}, "frame");
    at += size;
  }
  return svg.element() + shade_key();
}

/// Many classes: the picture of `vmoe superclass`, with the super-classes' numbers beside it.
std::string pictured_matrix(const StudyReport& report, const std::vector<std::vector<int>>& groups) {
  SuperClasses division;
  division.experts = static_cast<int>(groups.size());
  division.classes = report.classes;
  division.super_class = report.super_class;
  if (division.super_class.empty()) division.super_class.assign(report.classes.size(), 0);
  const std::string address = png_address(encode_png(draw_confusion(report.confusion, division).view()));
  constexpr double kSide = 360, kTop = 16;
  const double left = groups.size() > 1 ? 66 : 16;
  Svg svg(left + kSide, kTop + kSide, "Confusion matrix of the baseline by super-class");
  svg.text({left, kTop - 5}, "predicted →", "tick");
  svg.text({left - 6, kTop - 5}, "true ↓", "tick", left > 16 ? Anchor::end : Anchor::start);
  svg.image({left, kTop, kSide, kSide}, address, "matrix");
  double at = kTop, written = 0;
  for (size_t e = 0; e < groups.size() && groups.size() > 1; ++e) {
    const double size =
        kSide * static_cast<double>(groups[e].size()) / static_cast<double>(report.classes.size());
    const double middle = at + size / 2;
    at += size;
    if (groups[e].empty() || middle - written < 13) continue;  // no room for this one's number
    written = middle;
    svg.begin("", class_list(report, groups[e], 40));
    svg.text({left - 6, middle + 4}, expert_name(static_cast<int>(e)), "name", Anchor::end);
    svg.end();
  }
  return svg.element();
}

struct Confusion {
  double share;  // of the true class's images
  size_t truth, said;
};

/// All confusions, the largest first.
std::vector<Confusion> confusions_of(const StudyReport& report) {
  const auto shares = shares_of(report);
  const size_t classes = report.classes.size();
  std::vector<Confusion> confusions;
  for (size_t i = 0; i < classes; ++i)
    for (size_t j = 0; j < classes; ++j)
      if (i != j && shares[i * classes + j] > 0) confusions.push_back({shares[i * classes + j], i, j});
  std::stable_sort(confusions.begin(), confusions.end(),
                   [](const Confusion& a, const Confusion& b) { return a.share > b.share; });
  return confusions;
}

}  // namespace

std::string confusion_matrix(const StudyReport& report) {
  if (report.confusion.empty()) return "";
  const auto groups = groups_of(report);
  return report.classes.size() <= kDrawnClasses ? drawn_matrix(report, groups)
                                                : pictured_matrix(report, groups);
}

std::string largest_confusions(const StudyReport& report) {
  if (report.confusion.empty()) return "";
  constexpr size_t kShown = 8;
  const auto confusions = confusions_of(report);
  if (confusions.empty()) return "<p>The baseline confuses no two classes.</p>\n";
  const bool divided = !report.super_class.empty();
  const auto inside = [&](const Confusion& c) {
    return divided && report.super_class[c.truth] == report.super_class[c.said];
  };
  double all = 0, kept = 0;
  for (const Confusion& c : confusions) {
    all += c.share;
    if (inside(c)) kept += c.share;
  }
  std::string text;
  if (divided)
    text += "<p><strong>" + percentage(kept / all, 1) +
            "</strong> of the confusion stays inside super-classes: these images still reach the expert that "
            "knows their class.</p>\n";
  text +=
      "<table class=\"pairs\">\n<thead><tr><th>true class</th><th>predicted</th><th>share</th></tr></thead>\n"
      "<tbody>\n";
  for (size_t i = 0; i < std::min(confusions.size(), kShown); ++i) {
    const Confusion& c = confusions[i];
    text += "<tr><td>" + escaped(report.classes[c.truth]) + "</td><td>" + escaped(report.classes[c.said]) +
            (divided && !inside(c) ? "<small>another expert's</small>" : "") + "</td><td>" +
            percentage(c.share, 1) + "</td></tr>\n";
  }
  return text + "</tbody></table>\n";
}

}  // namespace vmoe
