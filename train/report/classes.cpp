// What the report shows of classes and experts: confusion, who goes where, examples.

#include <algorithm>
#include <cmath>

#include "data/write_png.h"
#include "train/confusion_picture.h"
#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/svg.h"

namespace vmoe {
namespace {

constexpr int kDrawnClasses = 24;  // up to so many, a confusion matrix is drawn with names; a picture above
constexpr int kNameLetters = 18;

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

std::string expert_name(size_t expert) {
  return "expert " + std::to_string(expert);
}

/// "cat, dog and 3 more"
std::string class_list(const StudyReport& report, const std::vector<int>& classes, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(classes.size(), most); ++i)
    text += (i ? ", " : "") + report.classes[static_cast<size_t>(classes[i])];
  if (classes.size() > most) text += " and " + std::to_string(classes.size() - most) + " more";
  return text;
}

/// Few classes: every cell is a shape with a tooltip, every row and column has its name.
std::string drawn_matrix(const StudyReport& report, const std::vector<std::vector<int>>& groups) {
  const auto shares = shares_of(report);
  const size_t classes = report.classes.size();
  const double left = 104, top = 84, side = 340, cell = side / static_cast<double>(classes);
  std::vector<int> order;
  for (const auto& group : groups) order.insert(order.end(), group.begin(), group.end());
  Svg svg(left + side + 2, top + side + 2, "Confusion matrix of the baseline by super-class");
  svg.rect({left, top, side, side}, "paper");
  const double font = std::min(12.0, 0.85 * cell);
  for (size_t i = 0; i < classes; ++i) {
    const std::string& name = report.classes[static_cast<size_t>(order[i])];
    const double middle = (static_cast<double>(i) + 0.5) * cell;
    const std::string size = font < 11 ? "name small" : "name";
    svg.text({left - 5, top + middle + 0.35 * font}, shortened(name, 14), size, Anchor::end);
    svg.text({left + middle + 0.35 * font, top - 5}, shortened(name, 12), size, Anchor::start, -60);
    for (size_t j = 0; j < classes; ++j) {
      const double share = shares[static_cast<size_t>(order[i]) * classes + static_cast<size_t>(order[j])];
      if (share < 0.001) continue;
      const std::string& said = report.classes[static_cast<size_t>(order[j])];
      svg.begin("", "true " + name + ", said " + said + ": " + percentage(share, 1));
      const Box box = {left + static_cast<double>(j) * cell, top + static_cast<double>(i) * cell, cell, cell};
      svg.rect(box, "heat", std::sqrt(share));
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
  return svg.element();
}

/// Many classes: the picture of `vmoe superclass`, with the super-classes' numbers beside it.
std::string pictured_matrix(const StudyReport& report, const std::vector<std::vector<int>>& groups) {
  SuperClasses division;
  division.experts = static_cast<int>(groups.size());
  division.classes = report.classes;
  division.super_class = report.super_class;
  if (division.super_class.empty()) division.super_class.assign(report.classes.size(), 0);
  const std::string address = png_address(encode_png(draw_confusion(report.confusion, division).view()));
  const double left = groups.size() > 1 ? 74 : 0, side = 640;
  Svg svg(left + side, side, "Confusion matrix of the baseline by super-class");
  svg.image({left, 0, side, side}, address, "matrix");
  double at = 0, written = -20;
  for (size_t e = 0; e < groups.size() && left > 0; ++e) {
    const double size =
        side * static_cast<double>(groups[e].size()) / static_cast<double>(report.classes.size());
    const double middle = at + size / 2;
    at += size;
    if (groups[e].empty() || middle - written < 15) continue;  // no room for this one's number
    written = middle;
    svg.begin("", class_list(report, groups[e], 40));
    svg.text({left - 8, middle + 5}, expert_name(e), "name", Anchor::end);
    svg.end();
  }
  return svg.element();
}

/// One super-class of the heat map: a row for each class, a column for each expert.
std::string heat_block(const StudyReport& report, const std::vector<int>& classes, int experts, int own) {
  const size_t all = report.classes.size();
  const double left = 124, row = 17, width = 236, column = width / experts, head = 16;
  const double height = row * static_cast<double>(classes.size());
  Svg svg(left + width + 2, head + height + 2, "Share of each class's images by expert", "chart heatmap");
  const int every = experts > 40 ? 10 : experts > 16 ? 5 : experts > 10 ? 2 : 1;
  for (int e = 0; e < experts; e += every)
    svg.text({left + (e + 0.5) * column, head - 4}, std::to_string(e), "tick", Anchor::middle);
  svg.rect({left, head, width, height}, "paper");
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto number = static_cast<size_t>(classes[i]);
    const double top = head + row * static_cast<double>(i);
    svg.text({left - 6, top + 13}, shortened(report.classes[number], kNameLetters), "name", Anchor::end);
    for (int e = 0; e < experts; ++e) {
      const double share = report.heat[static_cast<size_t>(e) * all + number];
      if (!(share >= 0.005)) continue;
      svg.begin("", report.classes[number] + " to " + expert_name(static_cast<size_t>(e)) + ": " +
                        percentage(share, 1));
      svg.rect({left + e * column, top + 0.5, column, row - 1}, "heat", std::sqrt(std::min(share, 1.0)));
      svg.end();
    }
  }
  if (own >= 0) svg.rect({left + own * column, head, column, height}, "frame");
  return svg.element();
}

uint32_t big_endian(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string example(const ReportImage& image) {
  // A PNG begins with 8 bytes of signature, then length, "IHDR", width and height.
  const bool small =
      image.png.size() >= 24 && std::max(big_endian(image.png, 16), big_endian(image.png, 20)) <= 64;
  const std::string caption = escaped(image.caption);
  return "<div class=\"example\"><img" + std::string(small ? " class=\"small\"" : "") + " src=\"" +
         png_address(image.png) + "\" alt=\"" + caption + "\" title=\"" + caption + "\"/><span>" + caption +
         "</span></div>\n";
}

}  // namespace

int experts_of(const StudyReport& report) {
  size_t experts = report.examples.size();
  if (!report.classes.empty()) experts = std::max(experts, report.heat.size() / report.classes.size());
  for (const int e : report.super_class) experts = std::max(experts, static_cast<size_t>(e) + 1);
  return static_cast<int>(experts);
}

std::vector<std::vector<int>> groups_of(const StudyReport& report) {
  std::vector<std::vector<int>> groups(report.super_class.empty() ? 1
                                                                  : static_cast<size_t>(experts_of(report)));
  for (size_t i = 0; i < report.classes.size(); ++i)
    groups[report.super_class.empty() ? 0 : static_cast<size_t>(report.super_class[i])].push_back(
        static_cast<int>(i));
  return groups;
}

std::string confusion_matrix(const StudyReport& report) {
  if (report.confusion.empty()) return "";
  const auto groups = groups_of(report);
  return report.classes.size() <= kDrawnClasses ? drawn_matrix(report, groups)
                                                : pictured_matrix(report, groups);
}

std::string largest_confusions(const StudyReport& report) {
  if (report.confusion.empty()) return "";
  struct Pair {
    double share;
    size_t truth, said;
  };
  constexpr size_t kShown = 8;
  const auto shares = shares_of(report);
  const size_t classes = report.classes.size();
  std::vector<Pair> pairs;
  double wrong = 0, inside = 0;
  for (size_t i = 0; i < classes; ++i) {
    for (size_t j = 0; j < classes; ++j) {
      const double share = shares[i * classes + j];
      if (i == j || !(share > 0)) continue;
      pairs.push_back({share, i, j});
      wrong += share;
      if (!report.super_class.empty() && report.super_class[i] == report.super_class[j]) inside += share;
    }
  }
  if (pairs.empty()) return "<p>The baseline confuses no two classes.</p>\n";
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.share > b.share; });
  pairs.resize(std::min(pairs.size(), kShown));
  std::string text;
  if (!report.super_class.empty())
    text +=
        "<p><strong>" + percentage(inside / wrong, 1) +
        "</strong> of what the baseline gets wrong stays inside super-classes: these images still reach the "
        "expert that knows their class.</p>\n";
  text +=
      "<table class=\"pairs\">\n<thead><tr><th>is</th><th>called</th><th>share</th></tr></thead>\n<tbody>\n";
  for (const Pair& pair : pairs) {
    const bool apart =
        !report.super_class.empty() && report.super_class[pair.truth] != report.super_class[pair.said];
    text += "<tr><td>" + escaped(report.classes[pair.truth]) + "</td><td>" +
            escaped(report.classes[pair.said]) + (apart ? "<small>other expert</small>" : "") + "</td><td>" +
            percentage(pair.share, 1) + "</td></tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string heat_map(const StudyReport& report) {
  if (report.heat.empty()) return "";
  const auto groups = groups_of(report);
  const int experts = static_cast<int>(report.heat.size() / report.classes.size());
  std::string text;
  for (size_t e = 0; e < groups.size(); ++e) {
    if (groups[e].empty()) continue;
    const int own = report.super_class.empty() || static_cast<int>(e) >= experts ? -1 : static_cast<int>(e);
    text += "<div class=\"block\">";
    if (own >= 0) text += "<h3>Classes of " + expert_name(e) + "</h3>\n";
    text += heat_block(report, groups[e], experts, own) + "</div>\n";
  }
  return "<div class=\"blocks\">\n" + text + "</div>\n";
}

std::string example_images(const StudyReport& report) {
  std::string text;
  const auto groups = groups_of(report);
  bool any = false;
  for (size_t e = 0; e < report.examples.size(); ++e) {
    std::string name = expert_name(e);
    name[0] = 'E';
    text += "<div class=\"expert\"><h3>" + name;
    if (!report.super_class.empty())
      text += "<small>" + escaped(class_list(report, groups[e], 5)) + "</small>";
    text += "</h3>\n<div class=\"examples\">\n";
    for (const ReportImage& image : report.examples[e]) text += example(image);
    if (report.examples[e].empty()) text += "<p class=\"missing\">It takes no image.</p>\n";
    any = any || !report.examples[e].empty();
    text += "</div></div>\n";
  }
  return any ? text : "";
}

}  // namespace vmoe
