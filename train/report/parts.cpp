#include "train/report/parts.h"

#include <algorithm>
#include <cmath>

#include "train/report/markup.h"
#include "train/report/svg.h"

namespace vmoe {

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

std::string expert_name(int expert) {
  return "expert " + std::to_string(expert);
}

std::string class_list(const StudyReport& report, const std::vector<int>& classes, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(classes.size(), most); ++i)
    text += (i ? ", " : "") + report.classes[static_cast<size_t>(classes[i])];
  if (classes.size() > most) text += " and " + std::to_string(classes.size() - most) + " more";
  return text;
}

double widest_name(const StudyReport& report, int letters, double font) {
  double widest = 0;
  for (const std::string& name : report.classes)
    widest = std::max(widest, text_width(shortened(name, letters), font));
  return widest;
}

double shade_of(double share) {
  return std::sqrt(std::clamp(share, 0.0, 1.0));
}

std::string shade_key() {
  std::string text = "<p class=\"legend shades\">";
  for (const double share : {0.01, 0.05, 0.25, 0.5, 1.0}) {
    Svg svg(14, 14, "", "key");
    svg.rect({0, 0, 14, 14}, "paper");
    svg.rect({0, 0, 14, 14}, "heat", shade_of(share));
    text += "<span>" + svg.element() + percentage(share, 0) + "</span>\n";
  }
  return text + "</p>\n";
}

std::string mark(int arm) {
  Svg svg(14, 14, "", "key");
  svg.begin("arm " + series_class(arm));
  svg.marker({7, 7}, arm, 5);
  svg.end();
  return svg.element();
}

}  // namespace vmoe
