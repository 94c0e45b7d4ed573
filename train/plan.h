#pragma once
// A run whose data is open and whose every choice is made: what `vmoe train` will do, before it does it.

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/split.h"
#include "train/checkpoint.h"
#include "train/options.h"
#include "train/schedule.h"
#include "train/step.h"

namespace vmoe {

struct RunPlan {
  std::unique_ptr<Dataset> dataset;
  Holdout split;  // images to train on, and those that choose the best epoch
  ModelDescription description;
  Augment augment;
  AdamWConfig adamw;
  Schedule schedule;
  StepConfig step;
  int epochs = 0;
  int64_t steps_per_epoch = 0;      // the last incomplete batch of an epoch is dropped
  nlohmann::ordered_json settings;  // everything that must be the same when the run is resumed
  std::vector<std::string> warnings;

  int64_t total_steps() const { return epochs * steps_per_epoch; }
  /// One line: data, model, batch, steps.
  std::string summary() const;
};

/// Opens the data and decides all that was left open. Throws UsageError, InputError and IoError as its parts
/// do.
RunPlan plan_run(const TrainOptions& options);

}  // namespace vmoe
