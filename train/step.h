#pragma once
// One training step: weights, moments and a place in the epoch go in; weights, moments and figures come out.
// It is one parallel region: pack the weights, run the lanes, add their gradients in lane order, measure the
// gradient, update the weights.

#include <functional>
#include <memory>
#include <vector>

#include "autograd/tape.h"
#include "data/image.h"
#include "moe/loss.h"
#include "moe/model.h"
#include "moe/routing_statistics.h"
#include "tensor/kernels/narrow.h"
#include "tensor/lanes.h"
#include "train/optimizer.h"

namespace vmoe {

/// Fills images [count, C, S, S], soft targets [count, N] and labels [count] of positions position ..
/// position + count - 1 of an epoch. Called by many threads at once, each with its own scratch.
using FillBatch = std::function<void(int64_t position, int count, ImageScratch& scratch, real* images,
                                     real* targets, int* labels)>;

struct StepConfig {
  int64_t batch_size = 128;  // images between two updates; a multiple of `accumulate`
  int accumulate = 1;        // the batch is run in this many parts, one after the other
  int lanes = 16;            // per part
  int threads = 1;
  double clip_norm = 0;  // gradients with a larger norm are scaled down to it; 0: never
  uint64_t seed = 0;     // of dropout and drop path
  Choice choice = Choice::learned;
  Precision precision = Precision::fp32;  // of the layers' products, backward too; all else is fp32
};

/// What a step measured, over its batch.
struct StepFigures {
  double loss = 0;          // the mean that was minimised
  double class_loss = 0;    // of it, the cross entropy of the classes
  double router_loss = 0;   // of it, the router's part, weight included
  double balance_loss = 0;  // of it, the balance loss, weight included
  int64_t correct = 0;      // images whose largest logit is their label's
  int64_t router_correct = 0;
  double gradient_norm = 0;  // before clipping
  double input_seconds = 0;  // spent reading and decoding, summed over threads
};

/// Experts that the images of one lane can choose, of each layer.
int touched_experts(const LanePlan& plan, const ModelConfig& model);

class TrainingStep {
 public:
  /// `scratch_bytes` is what `fill` needs of a scratch at most, so that it never grows. Throws UsageError if
  /// the precision cannot be had.
  TrainingStep(Model& model, Optimizer& optimizer, const StepConfig& config, size_t scratch_bytes = 0);
  ~TrainingStep();

  /// Runs the step with the images at `position` of `epoch`. `step` counts updates from 1. Throws InputError
  /// of a broken image, and Error naming the step when loss or gradient is not finite (the weights are then
  /// untouched).
  StepFigures run(const FillBatch& fill, uint32_t epoch, int64_t position, int64_t step, double lr);

  /// What the routers decided in the last step, summed in lane order.
  const ModelRouting& routing() const { return routing_; }
  /// How many units each expert got in the last step: the next one's balance loss needs it, so that a run
  /// that goes on must have it set again.
  const ExpertLoad& expert_load() const { return load_; }
  ExpertLoad& expert_load() { return load_; }

  const LanePlan& plan() const { return plan_; }
  /// Threads that run lanes: at most one a lane.
  int threads() const { return static_cast<int>(workers_.size()); }
  /// Bytes that one thread needed for a chunk so far, arena and scratch (of the thread that needed most).
  size_t chunk_bytes() const;
  /// Bytes that a large image took beyond that, which one thread at a time has (data/image.h).
  size_t large_image_bytes() const;

 private:
  struct Worker;
  template <class Work>
  void in_parallel(const Work& work);
  void run_lane(Worker& worker, const FillBatch& fill, uint32_t epoch, int64_t position, int lane);
  void run_chunk(Worker& worker, const FillBatch& fill, uint32_t epoch, int64_t position, int count);

  Model& model_;
  Optimizer& optimizer_;
  StepConfig config_;
  LanePlan plan_;
  PackedWeights packed_;
  BatchGradient gradient_;
  std::vector<double> squares_;  // by optimiser piece
  ModelRouting routing_;
  ExpertLoad load_, next_load_;  // of the last step, and of the one at work
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace vmoe
