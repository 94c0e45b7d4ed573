#include "train/study/study.h"

#include <filesystem>

#include "moe/layers.h"
#include "moe/super_classes_json.h"
#include "tensor/kernels/kernels.h"
#include "train/atomic_file.h"
#include "train/checkpoint.h"
#include "train/division.h"
#include "train/evaluate.h"
#include "train/figures.h"
#include "train/model_file.h"
#include "train/study/arms.h"
#include "train/study/one_image.h"
#include "train/study/page.h"
#include "train/study/recipe.h"
#include "train/study/starts.h"
#include "train/version.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

void require_sense(const StudyOptions& o) {
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
        experts_(study_experts(options.train.model, dataset_->info())),
        arms_(choose_arms(options.arms, dataset_->info())),
        folder_(options.output),
        data_(data_fingerprint(*dataset_)),
        results_(results_path()) {
    if (dataset_->size(Split::test) == 0)
      throw InputError("'" + options.train.data + "' has no test images to compare arms on");
    for (const StudyArm& arm : mobile_arms()) {
      if (possible(arm)) (void)hash(arm);
    }
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
  Record shared_recipe() const;
  Record recipe(const StudyArm& arm) const;
  std::string hash(const StudyArm& arm) const { return hash_of(recipe(arm)); }
  ModelFlags flags(const StudyArm& arm) const {
    return arm_flags(arm, options_.train.model, dataset_->info());
  }
  TrainOptions run_options(const StudyArm& arm, int seed) const;
  RunSummary train_in(const fs::path& folder, TrainOptions options) const;
  RunSummary train_arm(const StudyArm& arm, int seed);
  std::string start_of(const StudyArm& arm, int seed);
  std::string division_of(const StudyArm& arm, int seed);
  SuperClasses find_super_classes();
  ArmResult finish(const StudyArm& arm, int seed, const RunSummary& run) const;
  ArmSummary summary_of(const StudyArm& arm) const;
  std::vector<ArmResult> results_of(const StudyArm& arm) const;
  int threads() const { return options_.train.threads > 0 ? options_.train.threads : default_threads(); }
  bool possible(const StudyArm& arm) const {
    return arm.division != ArmDivision::coarse || !dataset_->info().coarse_of_class.empty();
  }
  void summarise_all(Study& study) const;
  void measure_times(Study& study) const;

  StudyOptions options_;
  StudyListener listener_;
  std::unique_ptr<Dataset> dataset_;
  int experts_;
  std::vector<StudyArm> arms_;
  fs::path folder_;
  std::string data_;  // fingerprint
  ResultsFile results_;
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
  Record shared = shared_recipe();
  shared["training"].erase("max-steps");  // a run that was bounded can be continued
  require_same_recipe((folder_ / "study.json").string(), shared);
}

Record MobileStudy::shared_recipe() const {
  Record shared;
  shared["data"] = data_;
  shared["model"] = to_json(model_from_flags(flags(mobile_arm("superclass")), dataset_->info()));
  shared["method"] = name_of(options_.method);
  shared["upcycle"] = options_.upcycle_epochs;
  shared["training"] = training_recipe(options_.train);
  return shared;
}

// What an arm's result is a function of, beside its seed.
Record MobileStudy::recipe(const StudyArm& arm) const {
  const auto model = [&](const StudyArm& a) { return to_json(model_from_flags(flags(a), dataset_->info())); };
  Record json;
  json["data"] = data_;
  json["model"] = model(arm);
  json["training"] = training_recipe(options_.train);
  if (arm.router != "none" && options_.upcycle_epochs > 0) json["upcycle"] = options_.upcycle_epochs;
  if (arm.division == ArmDivision::clustered || arm.division == ArmDivision::random) {
    json["method"] = name_of(options_.method);
    json["baseline"] = model(mobile_arm("dense"));
  }
  return json;
}

Study MobileStudy::go() {
  Study study;
  if (!options_.only_table) open_folder();
  run_all(study);
  summarise_all(study);
  measure_times(study);
  if (!options_.only_table) {
    study.folder = folder_.string();
    study.report = report_path().string();
    write_report(study.report, study_page(study, *dataset_, shared_recipe(), threads()));
  }
  return study;
}

std::vector<MobileStudy::ArmRun> MobileStudy::unfinished() {
  results_.refresh();
  std::vector<ArmRun> runs;
  for (int seed = 1; seed <= options_.seeds; ++seed) {
    for (const StudyArm& arm : arms_) {
      if (!results_.find(hash(arm), arm.name, seed)) runs.push_back({arm, seed});
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
      const bool finished = results_.find(hash(run.arm), run.arm.name, run.seed) != nullptr;
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
    const ArmResult result = finish(arm, seed, train_arm(arm, seed));
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
  for (const StudyArm& arm : mobile_arms()) {
    if (!possible(arm) || results_of(arm).empty()) continue;
    study.arms.push_back(summary_of(arm));
    if (arm.router == "none" || arm.name == clustered.name) continue;
    if (const auto d = difference(results_of(clustered), results_of(arm)))
      study.comparisons.push_back({clustered.name, arm.name, *d});
  }
}

// Times of results that were made apart, perhaps on other machines, do not compare; those of all arms in one
// turn do. Without all models the stored ones stay.
void MobileStudy::measure_times(Study& study) const {
  std::vector<LoadedModel> models;
  for (const ArmSummary& arm : study.arms) {
    const fs::path run = study_run(folder_, arm.name, arm.seeds[0]);
    if (!holds_model(run)) return;
    models.push_back(load_model(model_path(run.string())));
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

TrainOptions MobileStudy::run_options(const StudyArm& arm, int seed) const {
  TrainOptions options = options_.train;
  options.model = flags(arm);
  options.seed = static_cast<uint64_t>(seed);
  options.super_classes.clear();
  options.init.clear();
  return options;
}

// A run of its own folder, continued if it was begun.
RunSummary MobileStudy::train_in(const fs::path& folder, TrainOptions options) const {
  options.output = folder.string();
  options.resume = true;
  options.overwrite = false;
  try {
    const RunSummary run = train(options, listener_.run);
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

RunSummary MobileStudy::train_arm(const StudyArm& arm, int seed) {
  TrainOptions options = run_options(arm, seed);
  options.super_classes = division_of(arm, seed);
  if (options_.upcycle_epochs > 0 && arm.router != "none") {
    options.init = start_of(arm, seed);
    options.epochs -= options_.upcycle_epochs;
  }
  return train_in(study_run(folder_, arm.name, seed), options);
}

// The file of the arm's mixture of copies of the seed's dense start.
std::string MobileStudy::start_of(const StudyArm& arm, int seed) {
  TrainOptions options = run_options(arm, seed);
  const ModelFlags experts = options.model;
  options.model.router = "none";
  options.model.experts.reset();
  options.epochs = options_.upcycle_epochs;
  const LoadedModel dense = load_model(train_in(study_run(folder_, "start", seed), options).model_path);
  const fs::path file =
      folder_ / "runs" / ("start-" + std::to_string(seed) + "-" + arm.name + ".safetensors");
  save_upcycled(dense, mixture_from_flags(experts), static_cast<uint64_t>(seed), file.string());
  return file.string();
}

// What --super-classes is for the arm: empty, "coarse", or a file, which is written if it is not there.
std::string MobileStudy::division_of(const StudyArm& arm, int seed) {
  if (arm.division == ArmDivision::none) return "";
  if (arm.division == ArmDivision::coarse) return "coarse";
  const StudyArm& clustered = mobile_arm("superclass");
  const std::string name = hash(clustered);
  const fs::path file = folder_ / ("super-classes-" + name + ".json");
  if (!file_exists(file)) write_file(file, super_classes_to_json(find_super_classes()));
  if (arm.division == ArmDivision::clustered) return file.string();
  const SuperClasses division = read_division(file.string(), dataset_->info().classes, experts_);
  const fs::path random = folder_ / ("random-" + std::to_string(seed) + "-" + name + ".json");
  write_file(random, super_classes_to_json(random_division(division, static_cast<uint64_t>(seed))));
  return random.string();
}

// From what the dense arm of seed 1 confuses on the images that it did not train on.
SuperClasses MobileStudy::find_super_classes() {
  const StudyArm& dense = mobile_arm("dense");
  const fs::path run = study_run(folder_, dense.name, 1);
  const bool finished = results_.find(hash(dense), dense.name, 1) && holds_model(run);
  if (!finished) {
    listener_.say("super-classes: from the dense arm, seed 1, and its hold-out");
    train_arm(dense, 1);
  }
  const LoadedModel baseline = load_model(model_path(run.string()));
  const Clustering found = divide_by_confusion(baseline, *dataset_, experts_, options_.method, threads());
  for (const std::string& warning : found.warnings) listener_.run.warn(warning);
  if (found.super_classes.report) {
    listener_.say("super-classes: " + percent(found.super_classes.report->inside_share) +
                  " of the confusion lies inside them, " + percent(found.super_classes.report->random_mean) +
                  " inside random ones");
  }
  return found.super_classes;
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
  return {.hash = hash(arm),
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
  const std::string wanted = hash(arm);
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
