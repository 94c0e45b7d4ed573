#pragma once
// How fast are training and inference on this machine, how much of what its arithmetic units can do is that,
// and where does the time go?

#include <cstdint>
#include <string>
#include <vector>

#include "moe/config.h"
#include "tensor/kernels/narrow.h"
#include "tensor/kernels/timed.h"

namespace vmoe {

struct BenchOptions {
  ModelConfig model;
  int64_t batch_size = 128;
  int threads = 0;  // 0: one per core
  int lanes = 16;
  int rounds = 5;      // parts of the measured time; before each, the peak of the machine is measured
  double seconds = 5;  // measured time of all rounds, after the warm-up
  Precision precision = Precision::fp32;
  bool learned_routing = false;  // else images are spread evenly over the experts
  bool breakdown = false;        // time every kernel, which costs a little time itself
};

struct BenchResult {
  double images_per_second = 0;   // median of `rounds`
  std::vector<double> rounds;     // images per second: the batch over the median step of a round
  double p50_ms = 0, p95_ms = 0;  // of a step (training) or a batch (inference), over all rounds
  double min_ms = 0;
  double peak_rss_mb = 0;      // MiB, of the whole process so far
  double flops_per_image = 0;  // products only; training counts three times the forward pass
  double peak_gflops = 0;      // median of the measurements between the rounds
  int64_t steps = 0;
  double seconds = 0;               // of all measured steps
  std::vector<KernelTime> kernels;  // in these steps, all threads together, if a breakdown was asked for

  double gflops() const { return 1e-9 * flops_per_image * images_per_second; }
};

/// Runs the trainer's own step on random images held in memory. This and the next throw UsageError naming
/// --batch-size when the machine has no room for them.
BenchResult bench_training(const BenchOptions& options);
/// Runs batches of random images through the model; batch 1 as prediction does it.
BenchResult bench_inference(const BenchOptions& options);

}  // namespace vmoe
