#pragma once
// The report of a study: one HTML page with everything in it. Its pictures and drawings are part of the page,
// it loads nothing and runs no script; it suits light and dark screens, phones and paper.
//
// Letters: N classes, E experts. A value that was not measured is NaN and shows as a dash.

#include <limits>
#include <string>
#include <vector>

namespace vmoe {

/// One seed's run of an arm, epoch by epoch; the three lists are equally long.
struct ReportCurve {
  int seed = 0;
  std::vector<double> epoch;       // as the run counts them, rising; fractions are fine
  std::vector<double> train_loss;  // mean over the epoch's images; NaN where unknown
  std::vector<double>
      holdout_top1;  // 0 .. 1, on images held out from the training set; NaN where not evaluated
};

/// One arm: a model and a recipe, trained with one or more seeds.
struct ReportArm {
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  std::string name;                   // short, e.g. "mobile": it stands beside points
  std::string meaning;                // a sentence for people who don't know the name
  std::vector<double> top1;           // by seed, 0 .. 1, on the test split; empty before the arm has finished
  double params = kUnknown;           // parameters of the model
  double active_params = kUnknown;    // of them, those that one image meets
  double flops = kUnknown;            // of one image's forward pass, products only, two per multiply-add
  double p50_ms = kUnknown;           // latency of one image at batch 1, ms: median
  double p95_ms = kUnknown;           //   and 95th percentile
  double experts_touched = kUnknown;  // different experts that one image meets, mean
  double bytes_touched = kUnknown;    // bytes of weights that one image reads, mean
  double routed_share = kUnknown;     // share of the FLOPs that is in routed experts, 0 .. 1
  std::vector<ReportCurve> curves;    // by seed; may be empty
};

/// How much better `arm` is than `to`, in points of top-1 (100 times the difference of shares).
struct ReportDifference {
  std::string arm, to;                // names of arms
  double mean = ReportArm::kUnknown;  // above 0: `arm` is better
  double low = ReportArm::kUnknown;   // 95 % interval (paired bootstrap)
  double high = ReportArm::kUnknown;
  int seeds = 0;  // in common; 1: the interval tells of the test images alone. 0: unknown
};

/// A picture and what is written below it.
struct ReportImage {
  std::string png;      // bytes of a PNG file
  std::string caption;  // class name; may be empty
};

/// A whole study. Whatever is empty is left out, and a sentence says so.
struct StudyReport {
  std::string title;    // e.g. "Mobile V-MoE on cifar100"
  std::string data;     // the data set in words, with the number of images
  std::string recipe;   // what all arms have in common; may have several lines
  std::string version;  // of the code (train/version.h)
  std::vector<ReportArm> arms;
  std::vector<ReportDifference>
      differences;                   // the first answers the study's question: the page begins with it
  std::vector<std::string> classes;  // [N] names; user input, as all text here
  std::vector<int> super_class;      // [N] expert of each class, 0 .. E-1; empty without super-classes
  std::vector<double>
      confusion;             // [N, N] row = true class, column = prediction, of the baseline; counts, >= 0
  std::vector<double> heat;  // [E, N] share of class n's images that are sent to expert e, 0 .. 1
  std::vector<std::vector<ReportImage>> examples;  // [E] images that the expert takes
};

/// Writes the page to `path`, whole or not at all. The same report gives the same bytes. Throws IoError;
/// ShapeError if sizes contradict each other (a confusion that is not [N, N], curves of unequal lengths ...),
/// naming which.
void write_report(const std::string& path, const StudyReport& report);

/// The page itself.
std::string report_page(const StudyReport& report);

}  // namespace vmoe
