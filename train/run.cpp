#include "train/run.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "data/batch.h"
#include "train/atomic_file.h"
#include "train/clock.h"
#include "train/evaluate.h"
#include "train/forecast.h"
#include "train/memory.h"
#include "train/plan.h"
#include "train/routing_report.h"
#include "train/run_folder.h"
#include "train/run_log.h"
#include "train/run_state.h"
#include "train/settings.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

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
        // After all that can be refused: --overwrite removes what is there.
        folder_(open_run_folder(options)),
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
  void restore();
  int64_t epoch() const { return state_.step / plan_.steps_per_epoch; }  // whole ones done
  bool finished() const { return state_.step >= plan_.total_steps(); }
  bool stop_early() const { return options_.max_steps > 0 && state_.step >= options_.max_steps; }
  void run_step();
  void end_epoch();
  Evaluation evaluate_holdout();
  void save();
  void report_step();
  void keep_if_best(const Evaluation& e);
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
  std::unique_ptr<RunLog> log_;

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

void Run::restore() {
  const bool resume = options_.resume && file_exists(folder_.state);
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
  }
  if (!resume) write_file(folder_.config, plan_.settings.dump(2) + "\n");
  log_ = std::make_unique<RunLog>(plan_, folder_, state_.step, listener_.warn);
  step_seconds_.reserve(static_cast<size_t>(std::min<int64_t>(plan_.total_steps() - state_.step, 1 << 22)));
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
  log_->step(state_.step, figures, step_.routing(), seconds);
  report_step();
}

void Run::report_step() {
  const auto in_epoch = static_cast<double>((state_.step - 1) % plan_.steps_per_epoch + 1);
  Progress progress;
  progress.loss = state_.loss_sum / in_epoch;
  progress.accuracy =
      static_cast<double>(state_.correct) / (in_epoch * static_cast<double>(plan_.step.batch_size));
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
  const int number = static_cast<int>(epoch());
  EpochFigures figures{.routing = state_.routing};
  figures.seconds = seconds_since(epoch_begin_);
  figures.epoch = number;
  figures.step = state_.step;
  figures.loss = state_.last_loss = state_.loss_sum / static_cast<double>(plan_.steps_per_epoch);
  figures.accuracy = static_cast<double>(state_.correct) / images;
  figures.router_accuracy = static_cast<double>(state_.router_correct) / images;
  figures.images_per_second =
      static_cast<double>((state_.step - epoch_first_step_) * plan_.step.batch_size) / figures.seconds;
  figures.problems = routing_watch_.problems(state_.routing, number);
  // On the screen only what is new and wrong.
  for (const std::string& line : routing_watch_.news(state_.routing, number)) listener_.warn(line);

  Progress progress;
  progress.epoch_ended = true;
  progress.loss = figures.loss;
  progress.accuracy = figures.accuracy;
  std::optional<Evaluation> holdout;
  if (holdout_.size() > 0) {
    holdout = evaluate_holdout();
    figures.holdout = &*holdout;
    progress.holdout_accuracy = holdout->top1;
    progress.holdout_loss = holdout->loss;
    progress.router_accuracy = holdout->router_accuracy;
    keep_if_best(*holdout);
  }
  log_->epoch(figures);
  report(progress);
  state_.loss_sum = 0;
  state_.correct = state_.router_correct = 0;
  state_.routing.clear();
  save();
}

// Ties go to the lower loss, then to the earlier epoch.
void Run::keep_if_best(const Evaluation& e) {
  const bool is_better = state_.best_epoch == 0 || e.top1 > state_.best_accuracy ||
                         (e.top1 == state_.best_accuracy && e.loss < state_.best_loss);
  if (!is_better) return;
  state_.best_epoch = static_cast<int>(epoch());
  state_.best_accuracy = e.top1;
  state_.best_loss = e.loss;
  save_model(folder_.best, model_, optimizer_.deployed(), plan_.description);
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
  log_->flush();
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
