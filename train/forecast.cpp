#include "train/forecast.h"

#include <algorithm>
#include <functional>

#include "data/batch.h"
#include "moe/layers.h"
#include "train/clock.h"
#include "train/evaluate.h"
#include "train/memory.h"
#include "train/precision.h"
#include "train/statistics.h"

namespace vmoe {

namespace {

LanePlan lanes_of(const RunPlan& plan, int lanes) {
  return plan_lanes(plan.step.batch_size / plan.step.accumulate, lanes, plan.description.config.vit.tokens());
}

size_t largest_chunk(Inference& inference) {
  size_t most = 0;
  for (int i = 0; i < inference.threads(); ++i) {
    const InferenceWorker& worker = inference.worker(i);
    most = std::max(most, worker.arena.high_water() + worker.scratch.own_high_water());
  }
  return most;
}

size_t large_image_bytes(Inference& inference) {
  size_t most = 0;
  for (int i = 0; i < inference.threads(); ++i)
    most = std::max(most, inference.worker(i).scratch.shared_high_water());
  return most;
}

/// A model to be thrown away, and steps of it.
class Trial {
 public:
  explicit Trial(const RunPlan& plan)
      : plan_(plan),
        model_(plan.description.config),
        optimizer_(start_weights(), plan.adamw),
        batches_(*plan.dataset, plan.split.train, plan.description.preprocess, plan.augment, plan.step.seed) {
    batches_.start_epoch(0);
  }

  /// Seconds of a step (the median of at least two after a first one), measured for about `seconds`.
  double time_steps(const StepConfig& config, double seconds);
  /// Seconds that the hold-out takes, from as many of its images as take about `seconds`.
  double time_evaluation(double seconds);

  size_t chunk() const { return chunk_; }
  size_t evaluation_chunk() const { return evaluation_chunk_; }
  size_t large_image() const { return large_image_; }
  double input_share() const { return input_share_; }

 private:
  ParameterStore& start_weights() {
    model_.initialise(plan_.step.seed);
    return model_.parameters();
  }

  const RunPlan& plan_;
  Model model_;
  Optimizer optimizer_;
  TrainingBatches batches_;
  size_t chunk_ = 0, evaluation_chunk_ = 0, large_image_ = 0;
  double input_share_ = 0;
};

double Trial::time_steps(const StepConfig& config, double seconds) {
  TrainingStep step(model_, optimizer_, config, batches_.scratch_bytes());
  const FillBatch fill = [this](int64_t position, int count, ImageScratch& scratch, real* images,
                                real* targets, int* labels) {
    batches_.fill(position, count, scratch, images, targets, labels);
  };
  const int64_t places = (batches_.size() - config.batch_size) / 2 + 1;  // pairs of images stay together
  std::vector<double> taken;
  double input = 0;
  const auto start = Clock::now();
  for (int64_t n = 0; n < 3 || seconds_since(start) < seconds; ++n) {
    const int64_t position = 2 * (n * config.batch_size / 2 % places);
    const auto begin = Clock::now();
    const StepFigures figures = step.run(fill, 0, position, 1, 0);  // a learning rate of 0: the weights stay
    if (n == 0) continue;                                           // memory is touched for the first time
    taken.push_back(seconds_since(begin));
    input += figures.input_seconds / (taken.back() * step.threads());
  }
  chunk_ = std::max(chunk_, step.chunk_bytes());
  large_image_ = std::max(large_image_, step.large_image_bytes());
  input_share_ = input / static_cast<double>(taken.size());
  return median(taken);
}

double Trial::time_evaluation(double seconds) {
  const std::vector<int64_t>& holdout = plan_.split.holdout;
  const auto all = static_cast<int64_t>(holdout.size());
  if (all == 0) return 0;
  Inference inference(model_, plan_.step.threads);
  const auto evaluate_first = [&](int64_t images) {
    const EvaluationImages some(*plan_.dataset, Split::train, {holdout.begin(), holdout.begin() + images},
                                plan_.description.preprocess);
    return evaluate(model_, inference, some).seconds / static_cast<double>(images);
  };
  const int64_t few = std::min<int64_t>(all, int64_t{inference.threads()} * inference.chunk());
  double an_image = evaluate_first(few);
  const double fit = seconds / an_image;
  an_image = evaluate_first(fit < static_cast<double>(all) ? std::max(few, static_cast<int64_t>(fit)) : all);
  evaluation_chunk_ = largest_chunk(inference);
  large_image_ = std::max(large_image_, large_image_bytes(inference));
  return an_image * static_cast<double>(all);
}

/// A step put together from small ones: what every step costs, what every lane, what every image. With T
/// lanes on T threads, and r chunks of c images each, a step takes  fixed + lane + r c image;  with 2 T lanes
/// of one chunk fixed + 2 lane + 2 c image.
double step_from_parts(Trial& trial, const RunPlan& plan, const LanePlan& whole, StepConfig part,
                       double seconds) {
  const int64_t chunk = whole.chunk;
  const auto time = [&](int lanes, int64_t images) {
    part.lanes = lanes;
    part.batch_size = std::min<int64_t>(images, static_cast<int64_t>(plan.split.train.size()));
    return trial.time_steps(part, seconds / 3);
  };
  const int threads = part.threads;
  const double one = time(threads, threads * chunk), longer = time(threads, 2 * threads * chunk),
               more = time(2 * threads, 2 * threads * chunk);
  const double image = std::max(0.0, longer - one) / static_cast<double>(chunk);
  const double lane = std::max(0.0, more - longer);
  const double fixed = std::max(0.0, one - lane - image * static_cast<double>(chunk));
  const int lanes = whole.lanes * plan.step.accumulate, rounds = (lanes + threads - 1) / threads;
  return fixed + rounds * (lane + image * static_cast<double>(whole.images) / whole.lanes);
}

}  // namespace

Calibration calibrate(const RunPlan& plan, double seconds) {
  Calibration result;
  {
    Trial trial(plan);
    const LanePlan whole = lanes_of(plan, plan.step.lanes);
    StepConfig part = plan.step;
    part.accumulate = 1;
    part.threads = part.lanes = std::min(plan.step.threads, whole.lanes);
    part.batch_size = std::min<int64_t>(part.threads * int64_t{whole.chunk}, plan.step.batch_size);
    const double small = trial.time_steps(part, 0);
    result.chunk = trial.chunk();  // of a chunk as the run has it; parts may be cut into larger ones
    const double guess =
        small * static_cast<double>(plan.step.batch_size) / static_cast<double>(part.batch_size);
    result.whole_steps = 4 * guess <= seconds;
    result.step_seconds = result.whole_steps ? trial.time_steps(plan.step, 0.8 * seconds)
                                             : step_from_parts(trial, plan, whole, part, 0.8 * seconds);
    result.evaluation_seconds = trial.time_evaluation(0.15 * seconds);
    result.evaluation_chunk = trial.evaluation_chunk();
    result.large_image = trial.large_image();
    result.input_share = trial.input_share();
  }
  // The model is gone; what stays was there before, or is code, stacks and buffers that the run will have,
  // too.
  const ProcessMemory now = process_memory();
  const size_t data = plan.dataset->info().held_bytes;
  result.program = now.program + now.anonymous - std::min(now.anonymous, data);
  return result;
}

RunMemory memory_of(const RunPlan& plan, const Calibration& measured) {
  return memory_of(plan, measured, plan.step.lanes, plan.step.threads);
}

RunMemory memory_of(const RunPlan& plan, const Calibration& measured, int lanes, int threads) {
  const ModelConfig& config = plan.description.config;
  const Model model(config);  // laid out, but nothing is written: it takes no memory
  const ParameterStore& store = model.parameters();
  const LanePlan own = lanes_of(plan, plan.step.lanes), cut = lanes_of(plan, lanes);
  const size_t weights = static_cast<size_t>(store.size()) * sizeof(real),
               busy = std::clamp(threads, 1, cut.lanes);
  RunMemory memory;
  memory.program = measured.program;
  memory.data = plan.dataset->info().held_bytes + plan.split.train.size() * sizeof(int64_t);
  memory.mapped = plan.dataset->info().mapped_bytes;
  memory.weights = plan.adamw.ema_decay > 0 ? 2 * weights : weights;
  memory.moments = 2 * weights;
  memory.gradients = weights;
  memory.thread_gradients = busy * Gradients::bytes(store, touched_experts(cut, config));
  memory.packed = PackedWeights(store, kernels(), true, training_weights(model, plan.step.precision)).bytes();
  memory.activations =
      busy * measured.chunk * static_cast<size_t>(cut.chunk) / static_cast<size_t>(own.chunk) +
      measured.large_image;
  memory.evaluation = PackedWeights(store, kernels(), false).bytes();
  if (!plan.split.holdout.empty()) {
    memory.evaluation += static_cast<size_t>(threads) * measured.evaluation_chunk;
  }
  return memory;
}

size_t evaluation_bytes(Inference& inference) {
  return static_cast<size_t>(inference.threads()) * largest_chunk(inference) + large_image_bytes(inference);
}

// Weights, two moments, gradients of the batch, one packed copy for evaluation, and two for training, of which
// narrow ones take half.
double least_memory(const RunPlan& plan) {
  const double copies = plan.step.precision == Precision::fp32 ? 7 : 6;
  return copies * sizeof(real) * static_cast<double>(size_of(plan.description.config).params);
}

// The state holds weights, moments and the average.
uint64_t checkpoint_bytes(const RunPlan& plan) {
  const auto weights = static_cast<uint64_t>(size_of(plan.description.config).params) * sizeof(float);
  const uint64_t state = weights * (plan.adamw.ema_decay > 0 ? 4 : 3),
                 best = plan.split.holdout.empty() ? 0 : weights;
  return best + weights + 2 * state;
}

double epoch_seconds(const RunPlan& plan, const Calibration& measured) {
  return static_cast<double>(plan.steps_per_epoch) * measured.step_seconds + measured.evaluation_seconds;
}

double run_seconds(const RunPlan& plan, const Calibration& measured, int64_t max_steps) {
  const int64_t steps = max_steps > 0 ? std::min(max_steps, plan.total_steps()) : plan.total_steps();
  return static_cast<double>(steps) * measured.step_seconds +
         static_cast<double>(steps / plan.steps_per_epoch) * measured.evaluation_seconds;
}

}  // namespace vmoe
