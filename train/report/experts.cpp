// What the experts take: classes, and images for example.

#include <algorithm>

#include "train/report/markup.h"
#include "train/report/parts.h"
#include "train/report/svg.h"

namespace vmoe {
namespace {

/// One super-class of the heat map: a row for each class, a column for each expert.
std::string heat_block(const StudyReport& report, const std::vector<int>& classes, int experts, int own) {
  const size_t all = report.classes.size();
  const double left = widest_name(report, kNameLetters, 12) + 8, width = 360 - left, column = width / experts;
  constexpr double row = 17, head = 16;
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
      svg.begin("", report.classes[number] + " to " + expert_name(e) + ": " + percentage(share, 1));
      svg.rect({left + e * column, top + 0.5, column, row - 1}, "heat", shade_of(share));
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

std::string heat_map(const StudyReport& report) {
  if (report.heat.empty()) return "";
  const auto groups = groups_of(report);
  const int experts = static_cast<int>(report.heat.size() / report.classes.size());
  std::string text;
  for (size_t e = 0; e < groups.size(); ++e) {
    if (groups[e].empty()) continue;
    const int own = report.super_class.empty() || static_cast<int>(e) >= experts ? -1 : static_cast<int>(e);
    text += "<div class=\"block\">";
    if (own >= 0) text += "<h3>Classes of " + expert_name(static_cast<int>(e)) + "</h3>\n";
    text += heat_block(report, groups[e], experts, own) + "</div>\n";
  }
  return "<div class=\"blocks\">\n" + text + "</div>\n" + shade_key();
}

std::string example_images(const StudyReport& report) {
  std::string text;
  const auto groups = groups_of(report);
  bool any = false;
  for (size_t e = 0; e < report.examples.size(); ++e) {
    std::string name = expert_name(static_cast<int>(e));
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
  return any ? "<div class=\"experts\">\n" + text + "</div>\n" : "";
}

}  // namespace vmoe
