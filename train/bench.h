#pragma once
// How fast are training and inference on this machine?

#include <cstdint>
#include <string>
#include <vector>

#include "moe/config.h"

namespace vmoe {

struct BenchOptions {
  ModelConfig model;
  int64_t batch_size = 128;
  int threads = 0;  // 0: one per core
  int lanes = 16;
  double seconds = 5;            // measured time, after the warm-up
  bool learned_routing = false;  // else images are spread evenly over the experts
};

struct BenchResult {
  double images_per_second = 0;   // median over steps
  double p50_ms = 0, p95_ms = 0;  // of a step (training) or a batch (inference)
  double min_ms = 0;
  double peak_rss_mb = 0;      // MiB, of the whole process so far
  double flops_per_image = 0;  // products only; training counts three times the forward pass
  int64_t steps = 0;
};

/// Runs the trainer's own step on random images held in memory.
BenchResult bench_training(const BenchOptions& options);
/// Runs batches of random images through the model; batch 1 as prediction does it.
BenchResult bench_inference(const BenchOptions& options);

}  // namespace vmoe
