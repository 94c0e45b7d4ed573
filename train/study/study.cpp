#include "train/study/study.h"

#include <filesystem>
#include <optional>

#include "data/split.h"
#include "moe/layers.h"
#include "tensor/kernels/kernels.h"
#include "train/atomic_file.h"
#include "train/evaluate.h"
#include "train/figures.h"
#include "train/model_file.h"
#include "train/study/arm_runs.h"
#include "train/study/arms.h"
#include "train/study/one_image.h"
#include "train/study/page.h"
#include "train/study/recipe.h"
#include "train/threads.h"
#include "train/version.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

void require_sense(const StudyOptions& o) {
  validate(o.train);
  if (o.train.model.router)
    throw UsageError("--router " + *o.train.model.router +
                     ": each arm of a study has its own; --arms chooses among them");
  if (o.train.holdout <= 0) {
    throw UsageError(
        "--holdout 0: a study needs images held out, for the super-classes and to choose the epoch; leave it "
        "out");
  }
  if (o.upcycle_epochs > 0 && o.train.epochs <= o.upcycle_epochs) {
    throw UsageError("--upcycle " + std::to_string(o.upcycle_epochs) +
                     ": give --epochs, too, and more: that many of them train the dense start");
  }
}

/// One study in one folder.
class MobileStudy {
 public:
  MobileStudy(const StudyOptions& options, const StudyListener& listener)
      : options_(options),
        listener_(listener),
        dataset_(open_dataset(options.train.data,
                              {.format = options.train.format, .labels = options.train.labels})),
        recipes_(options, *dataset_),
        folder_(options.output),
        results_(results_path()),
        runs_(options, listener, *dataset_, recipes_, results_) {
    if (dataset_->size(Split::test) == 0)
      throw InputError("'" + options.train.data + "' has no test images to compare arms on");
    const Holdout split =
        split_holdout(dataset_->labels(Split::train), dataset_->classes(), options.train.holdout, kSplitSeed);
    if (split.holdout.empty())
      throw InputError("'" + options.train.data +
                       "': no class has images enough for one to be held out (--holdout)");
  }

  Study go();

 private:
  struct ArmRun {
    StudyArm arm;
    int seed;
    std::string name() const { return arm.name + ", seed " + std::to_string(seed); }
  };
  std::vector<ArmRun> unfinished();
  void run_all(Study& study);
  bool finish_or_leave(const ArmRun& run, Study& study);
  fs::path report_path() const { return folder_ / "report.html"; }
  fs::path results_path() const {
    return options_.results.empty() ? folder_ / "results.jsonl" : fs::path(options_.results);
  }
  void open_folder() const;
  ArmResult finish(const StudyArm& arm, int seed, const RunSummary& run) const;
  ArmSummary summary_of(const StudyArm& arm) const;
  std::vector<ArmResult> results_of(const StudyArm& arm) const;
  int threads() const { return threads_or_default(options_.train.threads); }
  void summarise_all(Study& study) const;
  std::optional<LoadedModel> model_of(const std::string& arm, int seed,
                                      const std::function<void(const std::string& line)>& warn) const;
  void measure_times(Study& study) const;

  StudyOptions options_;
  StudyListener listener_;
  std::unique_ptr<Dataset> dataset_;
  ArmRecipes recipes_;
  fs::path folder_;
  ResultsFile results_;
  ArmRuns runs_;
};

void MobileStudy::open_folder() const {
  std::error_code error;
  fs::create_directories(folder_ / "runs", error);
  if (error || !fs::is_directory(folder_ / "runs", error))
    throw IoError("cannot make the output folder '" + folder_.string() + "'");
  const fs::path results = fs::absolute(results_path()).parent_path();
  if (!fs::is_directory(results, error))  // now rather than after the first arm
    throw IoError("--results " + results_path().string() + ": there is no folder '" + results.string() + "'");
  if (fs::is_directory(report_path(), error))
    throw IoError("cannot write '" + report_path().string() + "': it is a folder");
  Record shared = recipes_.shared();
  shared["training"].erase("max-steps");  // a run that was bounded can be continued
  const FileLock lock(folder_, FileLock::IfHeld::wait);
  require_same_recipe((folder_ / "study.json").string(), shared);
}

Study MobileStudy::go() {
  Study study;
  for (const std::string& line : recipes_.left_out()) listener_.run.warn(line);
  if (!options_.only_table) open_folder();
  run_all(study);
  summarise_all(study);
  measure_times(study);
  if (!options_.only_table) {
    study.folder = folder_.string();
    study.report = report_path().string();
    const auto first_model = [&](const std::string& arm) {
      return model_of(arm, 1, [](const std::string&) {});  // what is wrong was said beside the times
    };
    const StudyReport page = study_page(study, *dataset_, recipes_.shared(), first_model, threads());
    const FileLock lock(folder_, FileLock::IfHeld::wait);
    write_report(study.report, page);
  }
  return study;
}

std::vector<MobileStudy::ArmRun> MobileStudy::unfinished() {
  results_.refresh();
  std::vector<ArmRun> runs;
  for (int seed = 1; seed <= options_.seeds; ++seed) {
    for (const StudyArm& arm : recipes_.chosen()) {
      if (!results_.find(recipes_.hash(arm), arm.name, seed)) runs.push_back({arm, seed});
    }
  }
  return runs;
}

void MobileStudy::run_all(Study& study) {
  std::vector<ArmRun> open = unfinished();
  // What another process is at work on is left to it, and looked at again when all else has been run, as long
  // as that leads to anything.
  for (bool progress = !options_.only_table; progress;) {
    std::vector<ArmRun> left;
    for (const ArmRun& run : open) {
      results_.refresh();
      const bool finished = results_.find(recipes_.hash(run.arm), run.arm.name, run.seed) != nullptr;
      if (!finished && !finish_or_leave(run, study)) left.push_back(run);
    }
    progress = left.size() < open.size();
    open = std::move(left);
  }
  if (!options_.only_table) {
    for (const ArmRun& run : open) study.elsewhere.push_back(run.name());
  }
  study.missing = static_cast<int>(open.size() + study.diverged.size());
}

/// False if another process is at work on the run, or on one that it needs.
bool MobileStudy::finish_or_leave(const ArmRun& run, Study& study) {
  const auto& [arm, seed] = run;
  const std::string which = run.name() + ": ";
  listener_.say(which + arm.meaning);
  try {
    const ArmResult result = finish(arm, seed, runs_.train(arm, seed));
    results_.append(result);
    listener_.say(which + "top-1 " + percent(result.top1) + " of " + std::to_string(result.hits.size()) +
                  " test images");
    return true;
  } catch (const BusyError&) {
    listener_.say(which + "left to another process, which is at work on it or on what it needs");
    return false;
  } catch (const DivergedError& error) {
    study.diverged.push_back(which + error.what());
    listener_.run.warn(study.diverged.back());
    return true;  // the other arms may do better
  }
}

void MobileStudy::summarise_all(Study& study) const {
  study.results = results_path().string();
  const StudyArm& clustered = mobile_arm("superclass");
  for (const StudyArm& arm : recipes_.possible()) {
    if (results_of(arm).empty()) continue;
    study.arms.push_back(summary_of(arm));
    if (arm.router == "none" || arm.name == clustered.name) continue;
    if (const auto d = difference(results_of(clustered), results_of(arm)))
      study.comparisons.push_back({clustered.name, arm.name, *d});
  }
}

// The model of an arm with a result, if its run is in the folder. One that cannot be read, or that another
// recipe made, is said and left out: the results outlast it.
std::optional<LoadedModel> MobileStudy::model_of(
    const std::string& arm, int seed, const std::function<void(const std::string& line)>& warn) const {
  const fs::path run = study_run(folder_, arm, seed);
  if (!holds_model(run)) return {};
  const std::string path = model_path(run.string());
  try {
    LoadedModel loaded = load_model(path);
    ModelConfig config = loaded.description.config;
    config.moe.super_classes.clear();
    if (config == model_from_flags(recipes_.flags(mobile_arm(arm)), dataset_->info())) return loaded;
    warn("'" + path + "': another model than the recipe makes; the stored times are shown");
  } catch (const Error& error) {
    warn(std::string(error.what()) + "; the stored times are shown");
  }
  return {};
}

// Times of results that were made apart, perhaps on other machines, do not compare; those of all arms in one
// turn do. Without all models the stored ones stay.
void MobileStudy::measure_times(Study& study) const {
  std::vector<LoadedModel> models;
  for (const ArmSummary& arm : study.arms) {
    std::optional<LoadedModel> model = model_of(arm.name, arm.seeds[0], listener_.run.warn);
    if (!model) return;
    models.push_back(std::move(*model));
  }
  if (models.empty()) return;
  std::vector<Model*> takers;
  for (const LoadedModel& model : models) takers.push_back(model.model.get());
  const ModelDescription& d = models[0].description;
  const EvaluationImages images = images_of(*dataset_, d, "holdout");
  const std::vector<OneImageTimes> times = times_of_one_image(takers, images, threads());
  for (size_t i = 0; i < times.size(); ++i) {
    study.arms[i].figures.p50_ms = times[i].p50_ms;
    study.arms[i].figures.p95_ms = times[i].p95_ms;
  }
}

ArmResult MobileStudy::finish(const StudyArm& arm, int seed, const RunSummary& run) const {
  const LoadedModel loaded = load_model(run.model_path);
  const ModelDescription& d = loaded.description;
  const ModelSize size = size_of(d.config);
  const EvaluationImages test(*dataset_, Split::test, d.preprocess);
  Evaluation e = evaluate(*loaded.model, test, threads());
  const EvaluationImages holdout = images_of(*dataset_, d, "holdout");
  const OneImageWeights weights = weights_of_one_image(*load_model(run.model_path).model, holdout, threads());
  const OneImageTimes times = times_of_one_image({loaded.model.get()}, holdout, threads())[0];
  return {.hash = recipes_.hash(arm),
          .version = code_version(),
          .arm = arm.name,
          .seed = seed,
          .top1 = e.top1,
          .top5 = e.top5,
          .loss = e.loss,
          .router_accuracy = e.router_accuracy,
          .holdout_top1 = run.best_accuracy,
          .best_epoch = run.best_epoch,
          .steps = run.steps,
          .params = size.params,
          .active_params = size.active_params,
          .flops = size.flops,
          .routed_flops = size.routed_flops,
          .p50_ms = times.p50_ms,
          .p95_ms = times.p95_ms,
          .experts = weights.experts,
          .bytes = weights.bytes,
          .threads = threads(),
          .isa = kernels().name,
          .hits = std::move(e.hits)};
}

// One result a seed: files that were joined may have two.
std::vector<ArmResult> MobileStudy::results_of(const StudyArm& arm) const {
  const std::string wanted = recipes_.hash(arm);
  std::vector<ArmResult> found;
  for (const ArmResult& result : results_.all()) {
    if (result.hash == wanted && results_.find(wanted, arm.name, result.seed) == &result)
      found.push_back(result);
  }
  return found;
}

ArmSummary MobileStudy::summary_of(const StudyArm& arm) const {
  return summarise(arm.name, arm.meaning, results_of(arm), results_of(mobile_arm("dense")));
}

}  // namespace

Study run_study(const StudyOptions& options, const StudyListener& listener) {
  require_sense(options);
  return MobileStudy(options, listener).go();
}

}  // namespace vmoe
