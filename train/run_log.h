#pragma once
// What a run writes down as it goes: steps and epochs in metrics.jsonl, epochs in summary.csv.

#include <functional>
#include <string>
#include <vector>

#include "train/evaluate.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/run_folder.h"

namespace vmoe {

/// The figures of an epoch; accuracies are shares, 0 to 1.
struct EpochFigures {
  int64_t epoch = 0, step = 0;          // whole ones done
  double loss = 0, accuracy = 0;        // means over the epoch's training images
  double router_accuracy = 0;           // of them, those whose best expert is their super-class
  const ModelRouting& routing;          // who of them went where
  std::vector<std::string> problems{};  // what is wrong with that (RoutingWatch)
  const Evaluation* holdout = nullptr;  // null without a hold-out
  double images_per_second = 0, seconds = 0;
};

class RunLog {
 public:
  /// Goes on behind what belongs to the first `step` updates of a run that is resumed (0: starts anew), which
  /// `warn` is told of as far as it is damaged or missing. Throws InputError or IoError naming the file. The
  /// plan must outlive the log.
  RunLog(const RunPlan& plan, const RunFolder& folder, int64_t step,
         const std::function<void(const std::string& line)>& warn);

  /// An update, the `step`th: written about ten times an epoch, at places that depend on the step alone.
  void step(int64_t step, const StepFigures& figures, const ModelRouting& routing, double seconds);
  void epoch(const EpochFigures& figures);
  /// To be called before a checkpoint is written, which must not be ahead of the logs.
  void flush();

 private:
  bool is_taught() const { return !plan_.description.config.moe.super_classes.empty(); }

  const RunPlan& plan_;
  JsonLines metrics_;
  CsvFile table_;
};

}  // namespace vmoe
