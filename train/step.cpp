#include "train/step.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tensor/matmul.h"
#include "tensor/pin.h"
#include "tensor/waiting.h"
#include "train/precision.h"
#include "train/rank.h"

namespace vmoe {

namespace {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Rows whose largest logit stands at the label.
int64_t count_hits(Tensor logits, const int* labels) {
  int64_t hits = 0;
  for (int64_t r = 0; r < logits.dim(0); ++r)
    hits += rank_of(logits.row(r).data, static_cast<int>(logits.dim(-1)), labels[r]) == 0;
  return hits;
}

StepFigures& operator+=(StepFigures& a, const StepFigures& b) {
  a.loss += b.loss;
  a.class_loss += b.class_loss;
  a.router_loss += b.router_loss;
  a.balance_loss += b.balance_loss;
  a.correct += b.correct;
  a.router_correct += b.router_correct;
  a.input_seconds += b.input_seconds;
  return a;
}

double clip_factor(double limit, double norm) {
  return limit > 0 && norm > limit ? limit / norm : 1;
}

// A piece of work for every index, taken by whichever thread of the region is free. Ends when all are done.
class Pieces {
 public:
  template <class Piece>
  void run(int count, Meeting& meeting, const Piece& piece) {
    for (int i = next_++; i < count; i = next_++) piece(i);
    meeting.wait_for_all(omp_get_num_threads());
  }

 private:
  std::atomic<int> next_{0};
};

}  // namespace

// What one thread needs to run a lane.
struct TrainingStep::Worker {
  Worker(const Model& model, const PackedWeights& packed, int touched)
      : gradients(model.parameters(), touched),
        tape(arena, model.parameters(), packed, gradients),
        routing(model.config()),
        load(model.config()) {}

  Arena arena;
  Gradients gradients;
  Tape tape;
  ImageScratch scratch;
  StepFigures figures;  // of the lane at work, as are the next two
  ModelRouting routing;
  ExpertLoad load;
};

int touched_experts(const LanePlan& plan, const ModelConfig& model) {
  const int64_t images = 2 * ((plan.images + 2 * plan.lanes - 1) / (2 * plan.lanes));  // of the largest lane
  const int64_t units = images * (model.moe.routes_tokens() ? model.vit.tokens() : 1);
  return static_cast<int>(std::min<int64_t>(units * model.moe.top_k, model.moe.experts));
}

TrainingStep::TrainingStep(Model& model, Optimizer& optimizer, const StepConfig& config, size_t scratch_bytes)
    : model_(model),
      optimizer_(optimizer),
      config_(config),
      plan_(plan_lanes(config.batch_size / config.accumulate, config.lanes, model.config().vit.tokens())),
      packed_(model.parameters(), kernels(), true, training_weights(model, config.precision)),
      gradient_(model.parameters()),
      routing_(model.config()),
      load_(model.config()),
      next_load_(model.config()) {
  squares_.resize(optimizer.pieces());
  const int threads = std::clamp(config.threads, 1, plan_.lanes);
  const int touched = touched_experts(plan_, model.config());
  for (int i = 0; i < threads; ++i) {
    workers_.push_back(std::make_unique<Worker>(model, packed_, touched));
    workers_.back()->scratch.reserve(std::min(scratch_bytes, ImageScratch::kOwnBytes));
  }
}

TrainingStep::~TrainingStep() = default;

size_t TrainingStep::chunk_bytes() const {
  size_t most = 0;
  for (const auto& worker : workers_)
    most = std::max(most, worker->arena.high_water() + worker->scratch.own_high_water());
  return most;
}

size_t TrainingStep::large_image_bytes() const {
  size_t most = 0;
  for (const auto& worker : workers_) most = std::max(most, worker->scratch.shared_high_water());
  return most;
}

// Runs work() on every thread. One thread needs no region: GCC's OpenMP would allocate one for every step.
template <class Work>
void TrainingStep::in_parallel(const Work& work) {
  if (workers_.size() == 1) {
    work();
  } else {
#pragma omp parallel num_threads(static_cast <int>(workers_.size()))
    work();
  }
  // Who ran how many lanes was chance. What grew is made one piece; then the first worker takes the room of
  // all, and all take that of the first.
  for (const auto& worker : workers_) worker->tape.reset();
  Tape& first = workers_.front()->tape;
  for (const auto& worker : workers_) first.reset_with_room_of(worker->tape);
  for (const auto& worker : workers_) worker->tape.reset_with_room_of(first);
}

StepFigures TrainingStep::run(const FillBatch& fill, uint32_t epoch, int64_t position, int64_t step,
                              double lr) {
  LaneQueue lanes(config_.accumulate * plan_.lanes);
  Pieces packing, completing, measuring, updating;
  Meeting meeting;
  StepFigures total;
  gradient_.clear();
  routing_.clear();
  bool finite = true;
  next_load_.clear();
  const auto work = [&] {
    flush_denormals();
    pin_worker(omp_get_thread_num(), omp_get_num_threads());
    Worker& worker = *workers_[omp_get_thread_num()];
    packing.run(packed_.pieces(), meeting, [&](int i) { packed_.pack(i); });
    lanes.run([&](int lane) { run_lane(worker, fill, epoch, position, lane); },
              [&](int) {
                worker.gradients.add_to(gradient_);
                total += worker.figures;
                routing_.add(worker.routing);
                next_load_.add(worker.load);
              });
    meeting.wait_for_all(omp_get_num_threads());
    if (!lanes.failed()) {
      completing.run(model_.parameters().count(), meeting, [&](int i) { gradient_.complete({i}); });
      measuring.run(optimizer_.pieces(), meeting,
                    [&](int i) { squares_[i] = optimizer_.sum_of_squares(i, gradient_.data()); });
      if (omp_get_thread_num() == 0) {
        for (const double square : squares_) total.gradient_norm += square;
        total.gradient_norm = std::sqrt(total.gradient_norm);
        finite = std::isfinite(total.loss) && std::isfinite(total.gradient_norm);
      }
      meeting.wait_for_all(omp_get_num_threads());
      if (finite) {
        updating.run(optimizer_.pieces(), meeting, [&](int i) {
          optimizer_.update(i, step, lr, clip_factor(config_.clip_norm, total.gradient_norm),
                            gradient_.data());
        });
      }
    }
  };
  in_parallel(work);
  lanes.rethrow();
  if (!finite) {
    throw DivergedError("step " + std::to_string(step) + ": " +
                        (std::isfinite(total.loss) ? "the gradient" : "the loss") +
                        " is not finite; the weights keep their last values. Lower the learning rate (now " +
                        std::to_string(lr) + ") or set --clip-norm 1");
  }
  std::swap(load_, next_load_);
  return total;
}

// Lanes are numbered through all parts of the batch.
void TrainingStep::run_lane(Worker& worker, const FillBatch& fill, uint32_t epoch, int64_t position,
                            int lane) {
  const int64_t part = position + lane / plan_.lanes * plan_.images;
  const int64_t last = plan_.first(lane % plan_.lanes + 1);
  worker.gradients.clear();
  worker.figures = {};
  worker.routing.clear();
  worker.load.clear();
  for (int64_t first = plan_.first(lane % plan_.lanes); first < last; first += plan_.chunk) {
    run_chunk(worker, fill, epoch, part + first,
              static_cast<int>(std::min<int64_t>(plan_.chunk, last - first)));
  }
}

// Forward and backward of one chunk; its share of the batch's mean loss.
void TrainingStep::run_chunk(Worker& worker, const FillBatch& fill, uint32_t epoch, int64_t position,
                             int count) {
  const VitConfig& vit = model_.config().vit;
  Tape& tape = worker.tape;
  tape.reset();
  const Tensor images = tape.allocate({count, vit.channels, vit.image_size, vit.image_size});
  const Tensor targets = tape.allocate({count, vit.classes});
  int* labels = worker.arena.allocate<int>(count);
  const double start = seconds_now();
  fill(position, count, worker.scratch, images.data, targets.data, labels);
  StepFigures figures;
  figures.input_seconds = seconds_now() - start;

  Pass pass{tape, true, config_.seed, epoch, static_cast<uint32_t>(position)};
  const Model::Output output = model_.forward(pass, tape.constant(images), config_.choice);
  const MoeConfig& moe = model_.config().moe;
  const Loss loss = loss_of(tape, output, targets, moe, config_.batch_size, load_);
  tape.backward(loss.total);

  worker.routing.add(tape, output);
  worker.load.add(output);
  figures.loss = tape.value(loss.total)[0];
  if (loss.balance) figures.balance_loss = tape.value(loss.balance)[0];
  figures.class_loss = tape.value(loss.classes)[0];
  figures.correct = count_hits(tape.value(output.logits), labels);
  if (loss.router) {
    figures.router_loss = tape.value(loss.router)[0];
    for (int i = 0; i < count; ++i) labels[i] = moe.super_classes[labels[i]];
    figures.router_correct = count_hits(tape.value(output.router_logits), labels);
  }
  worker.figures += figures;
}

}  // namespace vmoe
