#include "train/report/report.h"

#include <algorithm>

#include "tensor/error.h"
#include "train/atomic_file.h"
#include "train/report/markup.h"
#include "train/report/parts.h"

namespace vmoe {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw ShapeError("write_report: " + what);
}

void check_sizes(const StudyReport& report) {
  const size_t classes = report.classes.size();
  const std::string of_classes = " for " + std::to_string(classes) + " classes";
  require(
      report.super_class.empty() || report.super_class.size() == classes,
      std::to_string(report.super_class.size()) + " super-classes" + of_classes + "; there must be one each");
  for (const int e : report.super_class)
    require(e >= 0 && e < 65536, "super-class " + std::to_string(e) + "; it must be a number from 0");
  require(report.confusion.empty() || report.confusion.size() == classes * classes,
          "a confusion of " + std::to_string(report.confusion.size()) + " values" + of_classes +
              "; it must be [N, N]");
  require(
      report.heat.empty() || (classes > 0 && report.heat.size() % classes == 0),
      "a heat map of " + std::to_string(report.heat.size()) + " values" + of_classes + "; it must be [E, N]");
  for (const ReportArm& arm : report.arms)
    for (const ReportCurve& curve : arm.curves)
      require(
          curve.train_loss.size() == curve.epoch.size() && curve.holdout_top1.size() == curve.epoch.size(),
          "arm '" + arm.name + "', seed " + std::to_string(curve.seed) +
              ": the curve's epochs, losses and accuracies must be equally many");
}

/// A part with its heading and caption, or a sentence why it is not there.
std::string figure(const std::string& id, const std::string& title, const std::string& body,
                   const std::string& caption, const std::string& missing) {
  std::string text = "<figure id=\"" + id + "\">\n";
  if (!title.empty()) text += "<h3>" + title + "</h3>\n";
  text += body.empty() ? "<p class=\"missing\">" + missing + "</p>\n"
                       : body + "<figcaption>" + caption + "</figcaption>\n";
  return text + "</figure>\n";
}

std::string pair(const std::string& first, const std::string& second) {
  return "<div class=\"pair\">\n" + first + second + "</div>\n";
}

bool several_seeds(const StudyReport& report) {
  return std::any_of(report.arms.begin(), report.arms.end(),
                     [](const ReportArm& arm) { return arm.top1.size() > 1; });
}

std::string differences_caption(const StudyReport& report) {
  const auto ones = std::count_if(report.differences.begin(), report.differences.end(),
                                  [](const ReportDifference& d) { return d.seeds == 1; });
  const std::string points = "Differences in top-1 accuracy, in points, ";
  if (ones > 0 && static_cast<size_t>(ones) == report.differences.size()) {
    return points +
           "of one seed, with 95 % intervals by paired bootstrap over the test images: another seed may say "
           "otherwise.";
  }
  return points +
         "with 95 % intervals by paired bootstrap over seeds and test images; an interval with zero inside "
         "is not "
         "distinguishable from none." +
         (ones > 0 ? " Those \u201cagainst\u201d another arm are of one seed, and of the test images alone."
                   : "");
}

std::string results(const StudyReport& report) {
  const std::string bars =
      several_seeds(report) ? "Mean over seeds; bars are one standard deviation, ticks on their left single "
                              "seeds. "
                            : "One seed an arm. ";
  return "<h2>Accuracy and cost</h2>\n" +
         pair(figure("accuracy-flops", "Accuracy against FLOPs", accuracy_by_flops(report),
                     bars + "FLOPs count one image's products, two per multiply-add.",
                     "No arm has both an accuracy and a count of FLOPs."),
              figure("accuracy-latency", "Accuracy against latency", accuracy_by_latency(report),
                     bars + "Latency at batch 1: the median; the dotted line reaches to the 95th percentile.",
                     "No arm has both an accuracy and a latency.")) +
         "<h2>Differences</h2>\n" +
         figure("differences", "", difference_table(report), differences_caption(report),
                "There are no two arms to compare.") +
         "<h2>Arms</h2>\n" +
         figure("arms", "", arm_table(report),
                several_seeds(report)
                    ? "Each arm's accuracy and cost; ± is one standard deviation over seeds."
                    : "Each arm's accuracy and cost.",
                "The study has no arms.");
}

std::string training(const StudyReport& report) {
  const std::string loss = loss_curves(report), holdout = holdout_curves(report);
  const std::string means =
      several_seeds(report) ? "The thick curve is the mean over seeds, thin ones are single seeds. " : "";
  return "<h2>Training</h2>\n" + (loss.empty() && holdout.empty() ? "" : legend(report)) +
         pair(figure("loss", "Loss on the training set", loss, means + "Mean over the epoch's images.",
                     "No losses were recorded."),
              figure(
                  "holdout", "Accuracy on the hold-out", holdout,
                  means +
                      "The hold-out is a part of the training set; the test split is read once, at the end.",
                  "No accuracies on a hold-out were recorded."));
}

std::string routing(const StudyReport& report) {
  const bool divided = !report.super_class.empty();
  const std::string order =
      divided ? "Classes are in the order of their super-classes; each orange square holds one expert's. "
              : "";
  const std::string matrix = confusion_matrix(report), largest = largest_confusions(report);
  return "<h2>What the baseline confuses</h2>\n" +
         pair(figure("confusion", "Confusion matrix", matrix,
                     order + "The stronger the colour, the larger the share of the row's images (by its "
                             "square root).",
                     "There is no confusion matrix of a baseline."),
              largest.empty()
                  ? ""
                  : "<div class=\"card\">\n<h3>Largest confusions</h3>\n" + largest + "</div>\n") +
         "<h2>Which expert takes which class</h2>\n" +
         figure("heat", "", heat_map(report),
                "Share of each class's images (row) that an expert (column) takes" +
                    std::string(divided ? "; the orange frame is the classes' own expert." : "."),
                "No images were routed: the study has no experts that take whole images.") +
         "<h2>Example images by expert</h2>\n" +
         figure("examples", "", example_images(report), "Under each image, its true class.",
                "There are no example images.");
}

}  // namespace

std::string report_page(const StudyReport& report) {
  check_sizes(report);
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
      escaped(report.title) + "</title>\n<style>" + kReportStyle +
      "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>" + escaped(report.title) + "</h1>\n";
  if (!report.data.empty()) page += "<p class=\"data\">" + escaped(report.data) + "</p>\n";
  page += headline(report) + "</header>\n" + results(report) + training(report) + routing(report);
  if (!report.recipe.empty())
    page += "<h2>Recipe</h2>\n<div id=\"recipe\" class=\"card\"><pre>" + escaped(report.recipe) +
            "</pre></div>\n";
  return page + "<footer>vmoe " + escaped(report.version) + "</footer>\n</main>\n</body>\n</html>\n";
}

void write_report(const std::string& path, const StudyReport& report) {
  write_file(path, report_page(report));
}

}  // namespace vmoe
