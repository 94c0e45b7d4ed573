// vmoe train: from a data set to a model.

#include <cmath>
#include <ostream>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/train_flags.h"
#include "train/model_file.h"
#include "train/run.h"

namespace vmoe {
namespace {

Json to_json(const RunSummary& s, const std::string& output) {
  Json json = json_result();
  json["output"] = output;
  json["model"] = s.model_path;
  json["last"] = s.last_path;
  json["finished"] = s.finished;
  json["steps"] = s.steps;
  json["epochs"] = s.epochs;
  json["best_epoch"] = s.best_epoch;
  json["holdout_accuracy"] = s.best_epoch > 0 ? Json(s.best_accuracy) : Json(nullptr);
  json["holdout_loss"] = s.best_epoch > 0 ? Json(s.best_loss) : Json(nullptr);
  json["train_loss"] = s.final_train_loss;
  json["seconds"] = s.seconds;
  json["images_per_second"] = s.images_per_second;
  return json;
}

std::string to_text(const RunSummary& s) {
  if (s.nothing_to_do) return "The run is finished already: " + s.model_path;
  std::string text = s.finished ? "Trained " : "Stopped after ";
  text += std::to_string(s.steps) + " steps (" + std::to_string(s.epochs) + " epochs) in " +
          duration(s.seconds) + ", " + fixed(s.images_per_second, 0) + " img/s";
  if (s.best_epoch > 0) {
    text +=
        "; best on the hold-out: " + percent(s.best_accuracy) + " in epoch " + std::to_string(s.best_epoch);
  }
  return text + "\nModel: " + s.model_path;
}

/// "about 22 s an epoch, 3 min 10 s in all; memory about 90 MiB"
std::string to_text(const RunOutlook& o) {
  const auto mebibytes = [](size_t bytes) {
    return fixed(static_cast<double>(bytes) / (1 << 20), 0) + " MiB";
  };
  std::string text = "about " + duration(std::ceil(o.epoch_seconds)) + " an epoch, " +
                     duration(std::ceil(o.run_seconds)) + " in all; memory about " + mebibytes(o.peak_bytes);
  if (!o.fits) text += ", more than this machine has";
  return text;
}

}  // namespace

ExitCode train_command(Arguments arguments, Streams& streams) {
  TrainOptions options;
  Machine machine;
  bool json = false;
  Flags flags({"train", "Trains a vision transformer, dense or with experts, on labelled images.",
               "vmoe train synthetic --model cifar128 --epochs 10 --lr 1e-3 --output runs/first"});
  flags.argument("DATA", options.data, "a folder or file (vmoe data shows what it holds), or synthetic");
  add_training_flags(flags, options);
  add_run_flags(flags, options, machine, json);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  options.threads = machine.threads;
  if (!options.init.empty()) options.init = model_path(options.init);
  machine.prepare();
  if (options.output.empty()) options.output = default_output(options, flags.recipe_path());
  const InterruptWatch watch;
  ProgressBar bar(streams.err, streams.columns);
  const RunSummary summary =
      train(options, {.announce = [&](const std::string& line) { bar.say(line); },
                      .outlook = [&](const RunOutlook& outlook) { bar.say(to_text(outlook)); },
                      .progress = [&](const Progress& progress) { bar.show(progress); },
                      .warn = [&](const std::string& line) { bar.warn(line); },
                      .interrupted = [&] { return watch.interrupted(); }});
  bar.say(to_text(summary));
  if (json) print_json(streams.out, to_json(summary, options.output));
  return ExitCode::done;
}

}  // namespace vmoe
