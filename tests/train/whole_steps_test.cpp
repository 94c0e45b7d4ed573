// Whole training steps on a folder of pictures, with everything on that draws random numbers or shares
// memory: the same bytes for any number of threads, and no allocation after the first step.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <vector>

#include "data/batch.h"
#include "data/write_png.h"
#include "tests/support/allocation_count.h"
#include "tests/support/fixture.h"
#include "tests/support/temporary_folder.h"
#include "train/step.h"

using namespace vmoe;
using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

constexpr int kImagesOfClass = 12, kClasses = 3;

// JPEGs (baseline, progressive, grey) and PNGs of many sizes.
void write_pictures(const fs::path& folder) {
  const char* const jpegs[] = {"baseline_420.jpg", "progressive.jpg", "grey.jpg", "restart.jpg"};
  std::vector<uint8_t> pixels(60 * 60 * 3);
  Random random(1, Stream::test);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random.below(256));
  for (const char* name : {"cat", "dog", "owl"}) {
    const fs::path place = folder / "train" / name;
    fs::create_directories(place);
    for (int i = 0; i < 4; ++i) {
      fs::copy_file(fixture_path("images") / jpegs[i], place / ("photo" + std::to_string(i) + ".jpg"));
    }
    for (int i = 4; i < kImagesOfClass; ++i) {
      const int width = 5 + static_cast<int>(random.below(55)),
                height = 5 + static_cast<int>(random.below(55));
      write_png(place / ("drawing" + std::to_string(i) + ".png"), {pixels.data(), width, height, 3});
    }
  }
}

ModelConfig mixture() {
  ModelConfig config;
  config.vit = {.image_size = 16,
                .channels = 3,
                .patch_size = 4,
                .dim = 16,
                .depth = 3,
                .heads = 2,
                .mlp_dim = 32,
                .classes = kClasses,
                .dropout = 0.1,
                .drop_path = 0.2};
  config.moe.router = "image";
  config.moe.experts = 4;
  config.moe.top_k = 2;
  config.moe.super_classes = {0, 1, 2};
  return config;
}

Preprocess preprocess_for(const VitConfig& vit) {
  return {.image_size = vit.image_size,
          .channels = vit.channels,
          .mean = std::vector<double>(static_cast<size_t>(vit.channels), 0.5),
          .deviation = std::vector<double>(static_cast<size_t>(vit.channels), 0.25)};
}

// A run on the pictures: random crops, flips, mixup and cutmix, label smoothing; an update from two parts of
// 8 lanes each; clipping and an average of the weights.
struct PictureRun {
  static constexpr int64_t kBatch = 32;

  std::unique_ptr<Dataset> data;
  Model model{mixture()};
  Optimizer optimizer;
  TrainingBatches batches;
  TrainingStep step;
  int64_t steps = 0;

  PictureRun(const std::string& folder, int threads)
      : data(open_dataset(folder)),
        optimizer(initialised(model), {.ema_decay = 0.9}),
        batches(*data, all_images(*data), preprocess_for(model.config().vit),
                {.crop = "resized", .mixup = 0.8, .cutmix = 1, .label_smoothing = 0.1}, 5),
        step(model, optimizer,
             {.batch_size = kBatch,
              .accumulate = 2,
              .lanes = 8,
              .threads = threads,
              .clip_norm = 1,
              .seed = 5},
             batches.scratch_bytes()) {}

  static ParameterStore& initialised(Model& model) {
    model.initialise(3);
    return model.parameters();
  }
  static std::vector<int64_t> all_images(const Dataset& data) {
    std::vector<int64_t> indices(static_cast<size_t>(data.size(Split::train)));
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
  }

  // One epoch, which is one step.
  StepFigures run_step() {
    batches.start_epoch(static_cast<uint32_t>(steps));
    batches.announce(0, kBatch);
    const FillBatch fill = [this](int64_t position, int count, ImageScratch& scratch, real* images,
                                  real* targets, int* labels) {
      batches.fill(position, count, scratch, images, targets, labels);
    };
    const auto epoch = static_cast<uint32_t>(steps);
    return step.run(fill, epoch, 0, ++steps, 1e-2);
  }

  // Weights, moments and average.
  std::vector<real> state() {
    std::vector<real> all;
    const int64_t size = model.parameters().size();
    for (const real* block : {static_cast<const real*>(model.parameters().data()),
                              static_cast<const real*>(optimizer.first_moment()),
                              static_cast<const real*>(optimizer.second_moment()),
                              static_cast<const real*>(optimizer.average())}) {
      all.insert(all.end(), block, block + size);
    }
    return all;
  }
};

}  // namespace

TEST_CASE(
    "training on pictures, with all that is random in it, gives the same bytes for any number of threads") {
  const TemporaryFolder folder;
  write_pictures(folder.path());
  std::vector<real> one;
  double loss = 0;
  for (const int threads : {1, 2, 3, 4, 8}) {
    CAPTURE(threads);
    PictureRun run(folder.path(), threads);
    StepFigures figures;
    for (int i = 0; i < 3; ++i) figures = run.run_step();
    const std::vector<real> state = run.state();
    if (threads == 1) {
      one = state;
      loss = figures.loss;
    }
    CHECK(std::memcmp(state.data(), one.data(), one.size() * sizeof(real)) == 0);
    CHECK(figures.loss == loss);
  }
}

TEST_CASE("after the first step training on pictures allocates nothing, decoding included") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: malloc cannot be counted in this build");
    return;
  }
  const TemporaryFolder folder;
  write_pictures(folder.path());
  for (const int threads : {1, 2, 8}) {
    CAPTURE(threads);
    PictureRun run(folder.path(), threads);
    run.run_step();
    const int64_t before = allocation_count();
    for (int i = 0; i < 20; ++i) run.run_step();
    CHECK(allocation_count() - before == 0);
  }
}
