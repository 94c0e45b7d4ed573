#pragma once
// A training run: epochs of steps, evaluation on the hold-out, checkpoints, resume.

#include <cstddef>
#include <functional>
#include <string>

#include "train/options.h"

namespace vmoe {

/// A moment of a run, for progress bars and logs.
struct Progress {
  int epoch = 0, epochs = 0;    // the epoch at work, from 1
  int64_t step = 0, steps = 0;  // updates done, of all
  double loss = 0;              // running mean of this epoch
  double accuracy = 0;          // share of training images hit in this epoch
  double images_per_second = 0;
  double seconds_left = 0;
  bool epoch_ended =
      false;  // then those below are set, if there is a hold-out (the last one: and super-classes)
  double holdout_accuracy = 0, holdout_loss = 0, router_accuracy = 0;
};

/// What the run will need as far as its first steps show.
struct RunOutlook {
  double epoch_seconds = 0;  // evaluation included
  double run_seconds = 0;    // of this call, what has passed included
  size_t peak_bytes = 0;     // of memory
  bool fits = true;          // the machine has what is missing of it
};

/// `announce` and `warn` are needed, the others may be empty.
struct RunListener {
  /// One line before the first step: data, model, plan.
  std::function<void(const std::string& line)> announce;
  /// Once, after two seconds or a fiftieth of the steps.
  std::function<void(const RunOutlook&)> outlook;
  /// A few times a second at most, and after every epoch.
  std::function<void(const Progress&)> progress;
  /// Something to say that is not an error.
  std::function<void(const std::string& line)> warn;
  /// Asked after every step: true ends the run with a checkpoint (Ctrl-C).
  std::function<bool()> interrupted;
};

struct RunSummary {
  std::string model_path;  // best.safetensors (last.safetensors without a hold-out)
  std::string last_path;
  int64_t steps = 0;
  int epochs = 0;            // whole ones
  int best_epoch = 0;        // 0: none evaluated yet
  double best_accuracy = 0;  // on the hold-out
  double best_loss = 0;
  double final_train_loss = 0;
  double seconds = 0;            // of this call
  double images_per_second = 0;  // median over steps of this call
  bool finished = false;         // all epochs done (false after max_steps)
  bool nothing_to_do = false;    // resumed a finished run
};

/// Trains by `options`. Writes into options.output: best.safetensors, last.safetensors,
/// last.state.safetensors, metrics.jsonl, summary.csv, config.json. Throws Interrupted after the checkpoint
/// when the listener says so.
RunSummary train(const TrainOptions& options, const RunListener& listener);

}  // namespace vmoe
