#include "train/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "moe/layers.h"
#include "train/inference.h"
#include "train/random_batch.h"
#include "train/step.h"

namespace vmoe {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double peak_rss_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);  // bytes there, KiB elsewhere
#else
  return static_cast<double>(usage.ru_maxrss) / 1024;
#endif
}

double percentile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// Times `step` after a warm-up, for at least five calls and the given seconds.
BenchResult time_steps(const BenchOptions& options, double flops_per_image,
                       const std::function<void(int64_t)>& step) {
  constexpr int kWarmUp = 2, kLeast = 5;
  int64_t n = 0;
  for (int i = 0; i < kWarmUp; ++i) step(n++);
  std::vector<double> times;
  for (const auto start = Clock::now(); times.size() < kLeast || seconds_since(start) < options.seconds;) {
    const auto begin = Clock::now();
    step(n++);
    times.push_back(seconds_since(begin));
  }
  std::sort(times.begin(), times.end());
  BenchResult result;
  result.images_per_second = static_cast<double>(options.batch_size) / percentile(times, 0.5);
  result.p50_ms = 1e3 * percentile(times, 0.5);
  result.p95_ms = 1e3 * percentile(times, 0.95);
  result.min_ms = 1e3 * times.front();
  result.peak_rss_mb = peak_rss_mb();
  result.flops_per_image = flops_per_image;
  result.steps = static_cast<int64_t>(times.size());
  return result;
}

int threads_of(const BenchOptions& options) {
  return options.threads > 0 ? options.threads : default_threads();
}

Choice choice_of(const BenchOptions& options) {
  return options.learned_routing ? Choice::learned : Choice::even;
}

}  // namespace

BenchResult bench_training(const BenchOptions& options) {
  Model model(options.model);
  model.initialise(0);
  Optimizer optimizer(model.parameters(), {});
  TrainingStep step(model, optimizer,
                    {.batch_size = options.batch_size,
                     .lanes = options.lanes,
                     .threads = threads_of(options),
                     .choice = choice_of(options)});
  const RandomBatch batch(options.model.vit, options.batch_size);
  const FillBatch fill = [&](int64_t position, int count, ImageScratch&, real* images, real* targets,
                             int* labels) { batch.fill(position, count, images, targets, labels); };
  return time_steps(options, 3.0 * static_cast<double>(size_of(options.model).flops),
                    [&](int64_t n) { step.run(fill, 0, 0, n + 1, 1e-3); });
}

BenchResult bench_inference(const BenchOptions& options) {
  Model model(options.model);
  model.initialise(0);
  Inference inference(model, options.batch_size == 1 ? 1 : threads_of(options));
  RandomBatch batch(options.model.vit, options.batch_size);
  const VitConfig& vit = options.model.vit;
  const auto forward = [&](InferenceWorker& worker, int64_t first, int count) {
    worker.tape.reset();
    const Tensor images{batch.pixels.data() + first * batch.size,
                        {count, vit.channels, vit.image_size, vit.image_size}};
    inference.forward(worker, images, choice_of(options), first);
  };
  Team team(threads_of(options));
  const auto one_image = [&](int64_t) { team.lead([&] { forward(inference.worker(0), 0, 1); }); };
  const auto many = [&](int64_t) { inference.run(options.batch_size, forward, [](auto&, int64_t, int) {}); };
  if (options.batch_size == 1) inference.worker(0).tape.set_team(team);
  const double flops = static_cast<double>(size_of(options.model).flops);
  return options.batch_size == 1 ? time_steps(options, flops, one_image) : time_steps(options, flops, many);
}

}  // namespace vmoe
