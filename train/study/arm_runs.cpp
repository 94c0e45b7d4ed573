#include "train/study/arm_runs.h"

#include "moe/super_classes_json.h"
#include "train/atomic_file.h"
#include "train/checkpoint.h"
#include "train/division.h"
#include "train/figures.h"
#include "train/model_file.h"
#include "train/study/arms.h"
#include "train/study/page.h"
#include "train/study/starts.h"
#include "train/threads.h"

namespace vmoe {

namespace fs = std::filesystem;

ArmRuns::ArmRuns(const StudyOptions& options, const StudyListener& listener, const Dataset& dataset,
                 const ArmRecipes& recipes, const ResultsFile& results)
    : options_(options),
      listener_(listener),
      dataset_(dataset),
      recipes_(recipes),
      results_(results),
      folder_(options.output),
      experts_(study_experts(options.train.model, dataset.info())) {}

TrainOptions ArmRuns::run_options(const StudyArm& arm, int seed) const {
  TrainOptions options = options_.train;
  options.model = recipes_.flags(arm);
  options.seed = static_cast<uint64_t>(seed);
  options.super_classes.clear();
  options.init.clear();
  return options;
}

// A run of its own folder, continued if it was begun.
RunSummary ArmRuns::train_in(const fs::path& folder, TrainOptions options) const {
  options.output = folder.string();
  options.resume = true;
  options.overwrite = false;
  try {
    const RunSummary run = vmoe::train(options, listener_.run);
    if (options.max_steps > 0 && run.steps > options.max_steps) {
      throw UsageError("--max-steps " + std::to_string(options.max_steps) + ": '" + options.output +
                       "' has " + std::to_string(run.steps) + " steps already; give another --output");
    }
    return run;
  } catch (const Interrupted&) {
    throw Interrupted("interrupted in " + folder.filename().string() +
                      "; the same command continues the study");
  } catch (const ResumeError& error) {
    throw UsageError("'" + folder.string() + "': " + error.what() +
                     " (or remove this folder: the study makes the run anew)");
  }
}

RunSummary ArmRuns::train(const StudyArm& arm, int seed) const {
  TrainOptions options = run_options(arm, seed);
  options.super_classes = division_of(arm, seed);
  if (options_.upcycle_epochs > 0 && arm.router != "none") {
    options.init = start_of(arm, seed);
    options.epochs -= options_.upcycle_epochs;
  }
  return train_in(study_run(folder_, arm.name, seed), options);
}

// The file of the arm's mixture of copies of the seed's dense start.
std::string ArmRuns::start_of(const StudyArm& arm, int seed) const {
  TrainOptions options = run_options(arm, seed);
  const ModelFlags experts = options.model;
  options.model.router = "none";
  options.model.experts.reset();
  options.epochs = options_.upcycle_epochs;
  const LoadedModel dense = load_model(train_in(study_run(folder_, "start", seed), options).model_path);
  const fs::path file =
      folder_ / "runs" / ("start-" + std::to_string(seed) + "-" + arm.name + ".safetensors");
  const FileLock lock(folder_, FileLock::IfHeld::wait);
  save_upcycled(dense, mixture_from_flags(experts), static_cast<uint64_t>(seed), file.string());
  return file.string();
}

// A file of the study's folder that another process may be writing at this moment, with the same content.
void ArmRuns::write_shared(const fs::path& file, const std::string& content) const {
  const FileLock lock(folder_, FileLock::IfHeld::wait);
  if (!file_exists(file)) write_file(file, content);
}

// What --super-classes is for the arm: empty, "coarse", or a file, which is written if it is not there.
std::string ArmRuns::division_of(const StudyArm& arm, int seed) const {
  if (arm.division == ArmDivision::none) return "";
  if (arm.division == ArmDivision::coarse) return "coarse";
  const std::string name = recipes_.hash(mobile_arm("superclass"));
  const fs::path file = folder_ / ("super-classes-" + name + ".json");
  if (!file_exists(file)) write_shared(file, super_classes_to_json(find_super_classes()));
  if (arm.division == ArmDivision::clustered) return file.string();
  const SuperClasses division = read_division(file.string(), dataset_.info().classes, experts_);
  const fs::path random = folder_ / ("random-" + std::to_string(seed) + "-" + name + ".json");
  write_shared(random, super_classes_to_json(random_division(division, static_cast<uint64_t>(seed))));
  return random.string();
}

// From what the dense arm of seed 1 confuses on the images that it did not train on.
SuperClasses ArmRuns::find_super_classes() const {
  const StudyArm& dense = mobile_arm("dense");
  const fs::path run = study_run(folder_, dense.name, 1);
  const bool finished = results_.find(recipes_.hash(dense), dense.name, 1) && holds_model(run);
  if (!finished) {
    listener_.say("super-classes: from the dense arm, seed 1, and its hold-out");
    train(dense, 1);
  }
  const LoadedModel baseline = load_model(model_path(run.string()));
  const Clustering found = divide_by_confusion(baseline, dataset_, experts_, options_.method,
                                               threads_or_default(options_.train.threads));
  for (const std::string& warning : found.warnings) listener_.run.warn(warning);
  if (found.super_classes.report) {
    listener_.say("super-classes: " + percent(found.super_classes.report->inside_share) +
                  " of the confusion lies inside them, " + percent(found.super_classes.report->random_mean) +
                  " inside random ones");
  }
  return found.super_classes;
}

}  // namespace vmoe
