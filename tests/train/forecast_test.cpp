// What is said of a run before it starts.

#include "train/forecast.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/allocation_count.h"
#include "tests/support/temporary_folder.h"
#include "train/evaluate.h"
#include "train/memory.h"

using namespace vmoe;
using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

TrainOptions small_run() {
  TrainOptions o;
  o.data = "synthetic:families=3,details=2,train=60,test=4,size=16";
  o.model.dim = 96;
  o.model.depth = 3;
  o.model.heads = 3;
  o.model.mlp_dim = 384;
  o.batch_size = 64;
  o.epochs = 2;
  o.threads = 2;
  return o;
}

TrainOptions run_with_experts() {
  TrainOptions o = small_run();
  o.model.router = "image";
  o.model.experts = 6;
  o.adamw.ema_decay = 0.9;
  return o;
}

/// What a run of the plan takes its steps with.
struct Rig {
  explicit Rig(const RunPlan& plan)
      : model(plan.description.config),
        optimizer((model.initialise(1), model.parameters()), plan.adamw),
        batches(*plan.dataset, plan.split.train, plan.description.preprocess, plan.augment, 0),
        step(model, optimizer, plan.step, batches.scratch_bytes()) {}
  FillBatch fill() const {
    return [this](int64_t position, int count, ImageScratch& scratch, real* images, real* targets,
                  int* labels) { batches.fill(position, count, scratch, images, targets, labels); };
  }

  Model model;
  Optimizer optimizer;
  TrainingBatches batches;
  TrainingStep step;
};

/// Bytes of memory that one step and one evaluation of the run take, as the system counts them.
size_t real_memory(const RunPlan& plan) {
  const size_t before = process_memory().anonymous;
  Rig rig(plan);
  Inference inference(rig.model, plan.step.threads);
  const EvaluationImages holdout(*plan.dataset, Split::train, plan.split.holdout,
                                 plan.description.preprocess);
  for (int i = 1; i <= 3; ++i) rig.step.run(rig.fill(), 0, 0, i, 1e-3);
  evaluate(rig.model, inference, holdout);
  return process_memory().anonymous - before;
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("what a large image takes is counted once, whatever the number of threads") {
  const RunPlan plan = plan_run(small_run());
  Rig rig(plan);
  const FillBatch fill = [&](int64_t position, int count, ImageScratch& scratch, real* images, real* targets,
                             int* labels) {
    {
      const ImageScratch::Frame frame(scratch);
      scratch.allocate_bytes(ImageScratch::kOwnBytes + (1 << 20));
    }
    rig.fill()(position, count, scratch, images, targets, labels);
  };
  rig.step.run(fill, 0, 0, 1, 1e-3);
  CHECK(rig.step.large_image_bytes() >= 1 << 20);
  CHECK(rig.step.large_image_bytes() <= 2 << 20);
  Calibration measured{.chunk = 1000};
  const size_t without = memory_of(plan, measured, 16, 2).total();
  measured.large_image = 77;
  CHECK(memory_of(plan, measured, 16, 2).total() == without + 77);
}

TEST_CASE("the memory of a run is foreseen within a tenth, in bf16 where it can be had, too") {
  if (!allocations_are_counted() || process_memory().anonymous == 0) {
    MESSAGE("skipped: a sanitizer's memory counts, too, or there is no /proc");
    return;
  }
  std::vector<TrainOptions> runs = {small_run(), run_with_experts()};
  if (training_kernels(Precision::bf16)) {
    runs.push_back(run_with_experts());
    runs.back().precision = "bf16";
  }
  for (TrainOptions options : runs) {
    CAPTURE(options.precision);
    options.threads = 1;  // of two, one may happen to run all lanes, and the other touch nothing
    CAPTURE(options.model.router.value_or("none"));
    const RunPlan plan = plan_run(options);
    const RunMemory memory = memory_of(plan, calibrate(plan, 0));
    const size_t foreseen = memory.total() - memory.program - memory.data - memory.mapped;
    const auto real_bytes = static_cast<double>(real_memory(plan));
    CHECK(static_cast<double>(foreseen) >= 0.9 * real_bytes);
    CHECK(static_cast<double>(foreseen) <= 1.1 * real_bytes);
  }
}

TEST_CASE("a calibration puts a step together from parts when whole ones take too long") {
  const RunPlan plan = plan_run(small_run());
  const Calibration parts = calibrate(plan, 0), whole = calibrate(plan, 40 * parts.step_seconds);
  CHECK_FALSE(parts.whole_steps);
  CHECK(parts.step_seconds > 0);
  CHECK(parts.evaluation_seconds > 0);
  CHECK(whole.step_seconds > 0);
  CHECK(parts.chunk == whole.chunk);
  CHECK(parts.chunk > 0);
  CHECK(parts.evaluation_chunk > 0);
  CHECK(epoch_seconds(plan, whole) ==
        doctest::Approx(static_cast<double>(plan.steps_per_epoch) * whole.step_seconds +
                        whole.evaluation_seconds));
  CHECK(run_seconds(plan, whole) == doctest::Approx(2 * epoch_seconds(plan, whole)));
  CHECK(run_seconds(plan, whole, 1) == doctest::Approx(whole.step_seconds));
}

TEST_CASE("more threads need more gradients and activations, lanes limit how many") {
  const RunPlan plan = plan_run(run_with_experts());
  const Calibration measured = calibrate(plan, 0);
  const RunMemory one = memory_of(plan, measured, 16, 1), four = memory_of(plan, measured, 16, 4);
  CHECK(four.thread_gradients == 4 * one.thread_gradients);
  CHECK(four.activations == 4 * one.activations);
  CHECK(four.weights == one.weights);
  CHECK(four.gradients == one.gradients);
  CHECK(memory_of(plan, measured, 2, 4).activations <= 2 * one.activations * 8);
  // A lane of two images touches two of six experts, one of 32 images all.
  CHECK(memory_of(plan, measured, 32, 1).thread_gradients < memory_of(plan, measured, 2, 1).thread_gradients);
  CHECK(memory_of(plan, measured, 2, 4).thread_gradients ==
        2 * memory_of(plan, measured, 2, 1).thread_gradients);
}

TEST_CASE("what the machine has left is the least of memory and all groups around the process") {
  const TemporaryFolder folder;
  const fs::path root = folder / "root";
  CHECK(available_memory(root) == kUnknownMemory);
  write(root / "proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:    8000 kB\n");
  CHECK(available_memory(root) == 8000 * 1024);
  write(root / "proc/self/cgroup", "0::/outer/inner\n");
  CHECK(available_memory(root) == 8000 * 1024);
  const fs::path outer = root / "sys/fs/cgroup/outer";
  write(outer / "inner/memory.max", "max\n");
  write(outer / "memory.max", "5000000\n");
  write(outer / "memory.current", "3000000\n");
  CHECK(available_memory(root) == 2000000);
  write(outer / "memory.stat", "anon 1000\ninactive_file 500000\n");
  CHECK(available_memory(root) == 2500000);
  write(outer / "inner/memory.max", "1000000\n");
  write(outer / "inner/memory.current", "1500000\n");
  CHECK(available_memory(root) == 0);
  write(root / "proc/self/cgroup", "4:cpu,memory:/box\n2:pids:/outer/inner\n");  // version 1
  write(root / "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4000000\n");
  write(root / "sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1000000\n");
  CHECK(available_memory(root) == 3000000);
}

TEST_CASE("the process's own memory is seen to grow and shrink") {
  const ProcessMemory before = process_memory();
  if (before.anonymous == 0) {
    MESSAGE("skipped: there is no /proc");
    return;
  }
  {
    Arena arena;
    auto* bytes = static_cast<char*>(arena.allocate_bytes(32 << 20));
    for (int i = 0; i < 32 << 20; i += 4096) bytes[i] = 1;
    CHECK(process_memory().anonymous >= before.anonymous + (30 << 20));
  }
  CHECK(process_memory().anonymous <= before.anonymous + (4 << 20));
  CHECK(before.program > 0);
  CHECK(before.peak >= before.anonymous);
}

TEST_CASE("a need beyond the machine's memory is refused in one line") {
  require_memory("a little", 1);
  CHECK_THROWS_AS(require_memory("--batch-size 9: the batch", 1e18), UsageError);
}

TEST_CASE("free disk space is that of the folder where a new one would be made") {
  const TemporaryFolder folder;
  CHECK(free_disk(folder / "not" / "yet") > 0);
}
