#include "train/run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/batch.h"
#include "train/atomic_file.h"
#include "train/clock.h"
#include "train/evaluate.h"
#include "train/forecast.h"
#include "train/memory.h"
#include "train/metrics.h"
#include "train/plan.h"
#include "train/routing_report.h"
#include "train/run_folder.h"
#include "train/run_state.h"
#include "train/settings.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kSummaryColumns = {"epoch",
                                                  "step",
                                                  "lr",
                                                  "train_loss",
                                                  "train_accuracy",
                                                  "holdout_accuracy",
                                                  "holdout_top5",
                                                  "holdout_loss",
                                                  "router_accuracy",
                                                  "images_per_second",
                                                  "seconds"};

// A run that cannot fit is refused before anything is laid out: later the system might end it without a word.
RunPlan plan_that_fits(const TrainOptions& options) {
  RunPlan plan = plan_run(options);
  require_memory("the model, with packed copies, gradients and moments,", least_memory(plan));
  return plan;
}

// One run in one folder.
class Run {
 public:
  Run(const TrainOptions& options, const RunListener& listener)
      : options_(options),
        listener_(listener),
        plan_(plan_that_fits(options)),
        model_(plan_.description.config),
        optimizer_(start_weights(), plan_.adamw),
        batches_(*plan_.dataset, plan_.split.train, plan_.description.preprocess, plan_.augment,
                 options.seed),
        folder_(
            open_run_folder(options)),  // after all that can be refused: --overwrite removes what is there
        step_(model_, optimizer_, plan_.step, batches_.scratch_bytes()),
        inference_(model_, plan_.step.threads),
        holdout_(*plan_.dataset, Split::train, plan_.split.holdout, plan_.description.preprocess),
        routing_watch_(plan_.description.config.moe, expected_load()) {
    restore();
  }

  RunSummary go();

 private:
  ParameterStore& start_weights() {
    if (options_.init.empty()) {
      model_.initialise(options_.seed);
    } else {
      load_weights(options_.init, model_.parameters());
    }
    return model_.parameters();
  }
  double expected_load() const;
  uint64_t kept(const fs::path& log, const KeptLog& kept) const;
  void restore();
  int64_t epoch() const { return state_.step / plan_.steps_per_epoch; }  // whole ones done
  bool finished() const { return state_.step >= plan_.total_steps(); }
  bool stop_early() const { return options_.max_steps > 0 && state_.step >= options_.max_steps; }
  void run_step();
  void end_epoch();
  void log_routing(Record& record);
  Evaluation evaluate_holdout();
  void save();
  void log_step(const StepFigures& figures, double seconds);
  void report(Progress& progress);
  void report_outlook();

  TrainOptions options_;
  RunListener listener_;
  RunPlan plan_;
  Model model_;
  Optimizer optimizer_;
  TrainingBatches batches_;
  RunFolder folder_;
  TrainingStep step_;
  Inference inference_;
  EvaluationImages holdout_;
  RoutingWatch routing_watch_;
  RunState state_;
  std::unique_ptr<JsonLines> metrics_;
  std::unique_ptr<CsvFile> table_;

  int64_t started_epoch_ = -1;        // the epoch that batches_ is set to
  int64_t saved_step_ = -1;           // of the last checkpoint of this call
  std::vector<double> step_seconds_;  // of this call
  bool outlook_reported_ = false;
  Clock::time_point begin_ = Clock::now(), saved_ = begin_, epoch_begin_ = begin_;
  int64_t epoch_first_step_ = 0;  // first step of the epoch at work that this call made
};

double Run::expected_load() const {
  std::vector<int> labels;
  for (const int64_t i : plan_.split.train) labels.push_back(plan_.dataset->label(Split::train, i));
  return expected_load_entropy(plan_.description.config.moe, labels);
}

// Bytes to go on behind. What the log lacks is said, for nobody can write it again.
uint64_t Run::kept(const fs::path& log, const KeptLog& kept) const {
  if (kept.lost > 0) {
    listener_.warn("'" + log.string() +
                   "': of the run so far, lines damaged or missing: " + std::to_string(kept.lost));
  }
  return kept.bytes;
}

void Run::restore() {
  const bool resume = options_.resume && file_exists(folder_.state);
  uint64_t keep_metrics = 0, keep_table = 0;
  state_.routing = ModelRouting(plan_.description.config);
  if (resume) {
    const std::string where = "'" + folder_.state.string() + "'";
    require_same_settings(plan_.settings, read_run_settings(folder_.state), where);
    state_ = load_run_state(folder_.state, model_, optimizer_);
    if (!step_.expert_load().set_counts(state_.expert_load)) {
      throw InputError(where + ": 'expert_load' has " + std::to_string(state_.expert_load.size()) +
                       " counts, the model needs " + std::to_string(step_.expert_load().counts().size()));
    }
    if (state_.step > plan_.total_steps())
      throw InputError(where + ": 'step' is " + std::to_string(state_.step) + ", the run has " +
                       std::to_string(plan_.total_steps()));
    keep_metrics = kept(folder_.metrics, kept_metrics(folder_.metrics, state_.step));
    keep_table = kept(folder_.summary, kept_summary(folder_.summary, epoch()));
  }
  if (!resume) write_file(folder_.config, plan_.settings.dump(2) + "\n");
  metrics_ = std::make_unique<JsonLines>(folder_.metrics, keep_metrics);
  table_ = std::make_unique<CsvFile>(folder_.summary, kSummaryColumns, keep_table);
  step_seconds_.reserve(static_cast<size_t>(
      std::min<int64_t>(plan_.total_steps() - std::min(state_.step, plan_.total_steps()), 1 << 22)));
}

RunSummary Run::go() {
  RunSummary summary;
  summary.nothing_to_do = finished();
  if (!summary.nothing_to_do) {
    for (const std::string& warning : plan_.warnings) listener_.warn(warning);
    listener_.announce(plan_.summary());
  }
  epoch_first_step_ = state_.step;
  while (!finished() && !stop_early()) {
    run_step();
    report_outlook();
    if (state_.step % plan_.steps_per_epoch == 0) end_epoch();
    const bool stop = listener_.interrupted && listener_.interrupted();
    if (stop && !finished() && !stop_early()) {
      save();
      throw Interrupted("interrupted after step " + std::to_string(state_.step) + "; continue with --resume");
    }
    if (seconds_since(saved_) >= options_.save_every && !finished()) save();
  }
  if (!summary.nothing_to_do) save();

  summary.last_path = folder_.last.string();
  summary.model_path = file_exists(folder_.best) ? folder_.best.string() : summary.last_path;
  summary.steps = state_.step;
  summary.epochs = static_cast<int>(epoch());
  summary.best_epoch = state_.best_epoch;
  summary.best_accuracy = state_.best_accuracy;
  summary.best_loss = state_.best_loss;
  summary.final_train_loss = state_.last_loss;
  summary.seconds = seconds_since(begin_);
  summary.finished = finished();
  if (!step_seconds_.empty()) {
    std::nth_element(step_seconds_.begin(), step_seconds_.begin() + step_seconds_.size() / 2,
                     step_seconds_.end());
    summary.images_per_second =
        static_cast<double>(plan_.step.batch_size) / step_seconds_[step_seconds_.size() / 2];
  }
  return summary;
}

void Run::run_step() {
  const int64_t batch = plan_.step.batch_size, in_epoch = state_.step % plan_.steps_per_epoch;
  if (started_epoch_ != epoch()) {
    started_epoch_ = epoch();
    batches_.start_epoch(static_cast<uint32_t>(started_epoch_));
    epoch_begin_ = Clock::now();
    epoch_first_step_ = state_.step;
  }
  if (in_epoch + 1 < plan_.steps_per_epoch)
    batches_.announce((in_epoch + 1) * batch, static_cast<int>(batch));
  const FillBatch fill = [this](int64_t position, int count, ImageScratch& scratch, real* images,
                                real* targets, int* labels) {
    batches_.fill(position, count, scratch, images, targets, labels);
  };
  const auto start = Clock::now();
  const StepFigures figures = step_.run(fill, static_cast<uint32_t>(started_epoch_), in_epoch * batch,
                                        state_.step + 1, plan_.schedule.at(state_.step));
  const double seconds = seconds_since(start);
  step_seconds_.push_back(seconds);
  ++state_.step;
  state_.loss_sum += figures.loss;
  state_.expert_load = step_.expert_load().counts();
  state_.correct += figures.correct;
  state_.router_correct += figures.router_correct;
  state_.routing.add(step_.routing());
  log_step(figures, seconds);
}

// Steps are logged about ten times an epoch, at places that depend on the step alone.
void Run::log_step(const StepFigures& figures, double seconds) {
  const int64_t in_epoch = (state_.step - 1) % plan_.steps_per_epoch + 1;
  const auto batch = static_cast<double>(plan_.step.batch_size);
  if (in_epoch % std::max<int64_t>(1, plan_.steps_per_epoch / 10) == 0) {
    Record record;
    record["step"] = state_.step;
    record["epoch"] = static_cast<double>(state_.step) / static_cast<double>(plan_.steps_per_epoch);
    record["lr"] = plan_.schedule.at(state_.step - 1);
    record["loss"] = figures.loss;
    record["accuracy"] = static_cast<double>(figures.correct) / batch;
    if (!plan_.description.config.moe.super_classes.empty()) {
      record["router_loss"] = figures.router_loss;
      record["router_accuracy"] = static_cast<double>(figures.router_correct) / batch;
    }
    if (!step_.routing().decisions.empty()) record.update(step_routing_record(step_.routing()));
    if (plan_.description.config.moe.balance_weight > 0) record["balance_loss"] = figures.balance_loss;
    record["gradient_norm"] = figures.gradient_norm;
    record["images_per_second"] = batch / seconds;
    record["input_share"] = figures.input_seconds / (seconds * plan_.step.threads);
    metrics_->append(record);
  }
  Progress progress;
  progress.loss = state_.loss_sum / static_cast<double>(in_epoch);
  progress.accuracy = static_cast<double>(state_.correct) / (batch * static_cast<double>(in_epoch));
  report(progress);
}

// Fills in what every report says, and passes it on.
void Run::report(Progress& progress) {
  if (!listener_.progress) return;
  progress.epoch = static_cast<int>((state_.step - 1) / plan_.steps_per_epoch) + 1;
  progress.epochs = plan_.epochs;
  progress.step = state_.step;
  progress.steps = plan_.total_steps();
  const auto steps = static_cast<double>(state_.step - epoch_first_step_);
  const double seconds = seconds_since(epoch_begin_);
  progress.images_per_second = steps * static_cast<double>(plan_.step.batch_size) / seconds;
  progress.seconds_left = seconds / steps * static_cast<double>(plan_.total_steps() - state_.step);
  listener_.progress(progress);
}

// The first step touches memory for the first time and is not counted. A few hold-out images show what an
// evaluation needs; they go through the weights that it was packed from last, and nothing remembers them.
void Run::report_outlook() {
  const auto done = static_cast<int64_t>(step_seconds_.size());
  const bool enough = done >= 3 && (seconds_since(begin_) >= 2 || 50 * done >= plan_.total_steps());
  if (!listener_.outlook || outlook_reported_ || !enough) return;
  outlook_reported_ = true;
  std::vector<double> later(step_seconds_.begin() + 1, step_seconds_.end());
  std::nth_element(later.begin(), later.begin() + later.size() / 2, later.end());
  const double step = later[later.size() / 2];

  const ProcessMemory now = process_memory();
  RunOutlook outlook;
  outlook.peak_bytes = now.program + now.anonymous + plan_.dataset->info().mapped_bytes;
  double evaluation = 0;
  if (holdout_.size() > 0) {
    const int64_t few =
        std::min<int64_t>(holdout_.size(), int64_t{inference_.threads()} * inference_.chunk());
    const EvaluationImages images(*plan_.dataset, Split::train,
                                  {plan_.split.holdout.begin(), plan_.split.holdout.begin() + few},
                                  plan_.description.preprocess);
    evaluate(model_, inference_, images);  // touches memory for the first time
    evaluation = evaluate(model_, inference_, images).seconds / static_cast<double>(few) *
                 static_cast<double>(holdout_.size());
    outlook.peak_bytes += evaluation_bytes(inference_);
  }
  const size_t missing =
      outlook.peak_bytes - plan_.dataset->info().mapped_bytes - now.program - now.anonymous;
  outlook.fits = missing <= available_memory();
  outlook.peak_bytes = std::max(outlook.peak_bytes, now.peak);
  outlook.epoch_seconds = step * static_cast<double>(plan_.steps_per_epoch) + evaluation;
  const int64_t end =
      options_.max_steps > 0 ? std::min(options_.max_steps, plan_.total_steps()) : plan_.total_steps();
  outlook.run_seconds = seconds_since(begin_) + step * static_cast<double>(end - state_.step) +
                        evaluation * static_cast<double>(end / plan_.steps_per_epoch - epoch());
  listener_.outlook(outlook);
}

void Run::end_epoch() {
  const auto images = static_cast<double>(plan_.steps_per_epoch * plan_.step.batch_size);
  const double seconds = seconds_since(epoch_begin_);
  Progress progress;
  progress.epoch_ended = true;
  progress.loss = state_.last_loss = state_.loss_sum / static_cast<double>(plan_.steps_per_epoch);
  progress.accuracy = static_cast<double>(state_.correct) / images;
  Record record;
  record["epoch"] = epoch();
  record["step"] = state_.step;
  record["lr"] = plan_.schedule.at(state_.step - 1);
  record["train_loss"] = progress.loss;
  record["train_accuracy"] = progress.accuracy;
  log_routing(record);
  if (holdout_.size() > 0) {
    const Evaluation e = evaluate_holdout();
    progress.holdout_accuracy = record["holdout_accuracy"] = e.top1;
    record["holdout_top5"] = e.top5;
    progress.holdout_loss = record["holdout_loss"] = e.loss;
    if (!plan_.description.config.moe.super_classes.empty()) {
      progress.router_accuracy = record["router_accuracy"] = e.router_accuracy;
    }
    if (!e.routing.decisions.empty()) record["holdout_routing"] = routing_record(e.routing);
    // Ties go to the lower loss, then to the earlier epoch.
    if (state_.best_epoch == 0 || e.top1 > state_.best_accuracy ||
        (e.top1 == state_.best_accuracy && e.loss < state_.best_loss)) {
      state_.best_epoch = static_cast<int>(epoch());
      state_.best_accuracy = e.top1;
      state_.best_loss = e.loss;
      save_model(folder_.best, model_, optimizer_.deployed(), plan_.description);
    }
  }
  record["images_per_second"] =
      static_cast<double>((state_.step - epoch_first_step_) * plan_.step.batch_size) / seconds;
  record["seconds"] = seconds;
  metrics_->append(record);
  table_->append(record);
  report(progress);
  state_.loss_sum = 0;
  state_.correct = state_.router_correct = 0;
  state_.routing.clear();
  save();
}

// What the router did with the training images of the epoch. On the screen only what is new and wrong.
void Run::log_routing(Record& record) {
  if (state_.routing.decisions.empty()) return;
  const int number = static_cast<int>(epoch());
  if (!plan_.description.config.moe.super_classes.empty()) {
    record["train_router_accuracy"] = static_cast<double>(state_.router_correct) /
                                      static_cast<double>(plan_.steps_per_epoch * plan_.step.batch_size);
  }
  record["train_routing"] = routing_record(state_.routing);
  if (const auto lines = routing_watch_.problems(state_.routing, number); !lines.empty())
    record["routing_problem"] = state_.routing.unit == Unit::image ? Record(lines[0]) : Record(lines);
  for (const std::string& line : routing_watch_.news(state_.routing, number)) listener_.warn(line);
}

// The weights to deploy are judged: with an average, it changes places with the raw weights for the time.
Evaluation Run::evaluate_holdout() {
  ParameterStore& store = model_.parameters();
  real* average = optimizer_.average();
  if (average) std::swap_ranges(average, average + store.size(), store.data());
  inference_.pack();
  const Evaluation e = evaluate(model_, inference_, holdout_);
  if (average) std::swap_ranges(average, average + store.size(), store.data());
  return e;
}

// Best, then last, then the state: a crash in between repeats from the older state and writes the same files
// again.
void Run::save() {
  if (saved_step_ == state_.step) return;
  metrics_->flush();
  table_->flush();
  save_model(folder_.last, model_, optimizer_.deployed(), plan_.description);
  save_run_state(folder_.state, model_, optimizer_, state_, plan_.settings);
  saved_step_ = state_.step;
  saved_ = Clock::now();
}

}  // namespace

RunSummary train(const TrainOptions& options, const RunListener& listener) {
  TrainOptions decided = options;
  if (decided.output.empty()) decided.output = (fs::path("runs") / name_of_data(options.data)).string();
  return Run(decided, listener).go();
}

}  // namespace vmoe
