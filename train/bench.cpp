#include "train/bench.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "moe/layers.h"
#include "tensor/error.h"
#include "train/clock.h"
#include "train/inference.h"
#include "train/memory.h"
#include "train/random_batch.h"
#include "train/statistics.h"
#include "train/step.h"
#include "train/threads.h"
#include "train/throughput.h"

namespace vmoe {

namespace {

// Linux keeps ru_maxrss over exec, so that a small program would report what its parent held.
double peak_rss_mb() {
  if (const size_t peak = process_memory().peak; peak > 0) return static_cast<double>(peak) / (1 << 20);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<double>(usage.ru_maxrss) / (1 << 20);  // bytes there, KiB elsewhere
#else
  return static_cast<double>(usage.ru_maxrss) / 1024;
#endif
}

using Step = std::function<void(int64_t)>;

// The times of one round's steps: as many as fit the seconds, at least `least`.
std::vector<double> time_round(double seconds, size_t least, int64_t& step_number, const Step& step) {
  std::vector<double> times;
  for (const auto start = Clock::now(); times.size() < least || seconds_since(start) < seconds;) {
    const auto begin = Clock::now();
    step(step_number++);
    times.push_back(seconds_since(begin));
  }
  return times;
}

// Times `step` after a warm-up, in rounds, for at least five calls and the given seconds.
BenchResult time_steps(const BenchOptions& options, double flops_per_image, const Step& step) {
  constexpr int kWarmUp = 2, kLeast = 5;
  const int rounds = std::max(1, options.rounds);
  const auto least = static_cast<size_t>((kLeast + rounds - 1) / rounds);
  int64_t n = 0;
  for (int i = 0; i < kWarmUp; ++i) step(n++);
  BenchResult result;
  std::vector<double> times, peaks;
  if (options.breakdown) clear_kernel_times();
  for (int i = 0; i < rounds; ++i) {
    peaks.push_back(measure_peak(threads_or_default(options.threads)));
    const std::vector<double> round = time_round(options.seconds / rounds, least, n, step);
    result.rounds.push_back(static_cast<double>(options.batch_size) / median(round));
    times.insert(times.end(), round.begin(), round.end());
  }
  if (options.breakdown) {
    result.kernels = kernel_times();
    std::erase_if(result.kernels,
                  [](const KernelTime& k) { return k.name == "multiply_adds"; });  // the peaks
  }
  for (const double time : times) result.seconds += time;
  std::sort(times.begin(), times.end());
  result.images_per_second = median(result.rounds);
  result.p50_ms = 1e3 * quantile(times, 0.5);
  result.p95_ms = 1e3 * quantile(times, 0.95);
  result.min_ms = 1e3 * times.front();
  result.peak_rss_mb = peak_rss_mb();
  result.flops_per_image = flops_per_image;
  result.peak_gflops = median(peaks);
  result.steps = static_cast<int64_t>(times.size());
  return result;
}

// The kernels of a breakdown stand in for those in use, as long as it lives.
class TimedKernels {
 public:
  explicit TimedKernels(bool wanted) : before_(kernels()) {
    if (wanted) use_kernels(timed_kernels(before_));
  }
  ~TimedKernels() { use_kernels(before_); }

 private:
  const Kernels& before_;
};

Choice choice_of(const BenchOptions& options) {
  return options.learned_routing ? Choice::learned : Choice::even;
}

// Both benchmarks hold the images of a whole batch; what else they need does not grow with it.
void require_room(const BenchOptions& options) {
  const VitConfig& vit = options.model.vit;
  require_memory("--batch-size " + std::to_string(options.batch_size) + ": the batch",
                 static_cast<double>(options.batch_size) * vit.channels * vit.image_size * vit.image_size *
                     sizeof(real));
}

}  // namespace

BenchResult bench_training(const BenchOptions& options) {
  require_room(options);
  const TimedKernels timed(options.breakdown);
  Model model(options.model);
  model.initialise(0);
  Optimizer optimizer(model.parameters(), {});
  TrainingStep step(model, optimizer,
                    {.batch_size = options.batch_size,
                     .lanes = options.lanes,
                     .threads = threads_or_default(options.threads),
                     .choice = choice_of(options),
                     .precision = options.precision});
  const RandomBatch batch(options.model.vit, options.batch_size);
  const FillBatch fill = [&](int64_t position, int count, ImageScratch&, real* images, real* targets,
                             int* labels) { batch.fill(position, count, images, targets, labels); };
  return time_steps(options, 3.0 * static_cast<double>(size_of(options.model).flops),
                    [&](int64_t n) { step.run(fill, 0, 0, n + 1, 1e-3); });
}

BenchResult bench_inference(const BenchOptions& options) {
  require_room(options);
  const TimedKernels timed(options.breakdown);
  Model model(options.model);
  model.initialise(0);
  auto inference = Inference::taking_weights(
      model, options.batch_size == 1 ? 1 : threads_or_default(options.threads), options.precision);
  RandomBatch batch(options.model.vit, options.batch_size);
  const VitConfig& vit = options.model.vit;
  const auto forward = [&](InferenceWorker& worker, int64_t first, int count) {
    worker.tape.reset();
    const Tensor images{batch.pixels.data() + first * batch.size,
                        {count, vit.channels, vit.image_size, vit.image_size}};
    inference.forward(worker, images, choice_of(options), first);
  };
  Team team(threads_or_default(options.threads));
  const auto one_image = [&](int64_t) { team.lead([&] { forward(inference.worker(0), 0, 1); }); };
  const auto many = [&](int64_t) { inference.run(options.batch_size, forward, [](auto&, int64_t, int) {}); };
  if (options.batch_size == 1) inference.worker(0).tape.set_team(team);
  const double flops = static_cast<double>(size_of(options.model).flops);
  return options.batch_size == 1 ? time_steps(options, flops, one_image) : time_steps(options, flops, many);
}

}  // namespace vmoe
