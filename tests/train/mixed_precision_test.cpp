// Training in mixed precision: whole steps of whole models with bfloat16 factors.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tests/support/allocation_count.h"
#include "train/bench.h"
#include "train/random_batch.h"
#include "train/step.h"

using namespace vmoe;
using vmoe::testing::allocation_count;
using vmoe::testing::allocations_are_counted;

namespace {

ModelConfig small_model(bool experts) {
  ModelConfig config;
  config.vit = {.image_size = 8,
                .channels = 3,
                .patch_size = 4,
                .dim = 24,
                .depth = 3,
                .heads = 2,
                .mlp_dim = 40,
                .classes = 10};
  if (experts) {
    config.moe.router = "image";
    config.moe.experts = 4;
    config.moe.top_k = 2;
    config.moe.super_classes = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1};
  }
  return config;
}

/// A model, and steps of it on one batch.
struct Training {
  Model model;
  Optimizer optimizer;
  TrainingStep step;
  RandomBatch batch;
  double lr;
  int64_t steps = 0;

  Training(const ModelConfig& config, Precision precision, int threads, double lr = 1e-2)
      : model(config),
        optimizer(start(model), {}),
        step(model, optimizer,
             {.batch_size = 26, .lanes = 8, .threads = threads, .clip_norm = 1, .precision = precision}),
        batch(config.vit, 26),
        lr(lr) {}

  static ParameterStore& start(Model& model) {
    model.initialise(3);
    return model.parameters();
  }

  StepFigures run() {
    const FillBatch fill = [this](int64_t position, int count, ImageScratch&, real* images, real* targets,
                                  int* labels) { batch.fill(position, count, images, targets, labels); };
    ++steps;
    return step.run(fill, 0, 0, steps, lr);
  }

  std::vector<real> weights() const {
    const real* data = model.parameters().data();
    return {data, data + model.parameters().size()};
  }
};

bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

/// Runs `check` beside every set of kernels that has bfloat16 to train with.
template <class Check>
void with_bf16(const Check& check) {
  for (const Kernels* table : available_kernels()) {
    use_kernels(table->name);
    if (!training_kernels(Precision::bf16)) continue;
    CAPTURE(std::string(table->name));
    check();
  }
  use_kernels("auto");
}

}  // namespace

TEST_CASE("a step in bf16 gives the same bytes for 1, 2, 3, 4 and 8 threads") {
  with_bf16([] {
    for (const bool experts : {false, true}) {
      CAPTURE(experts);
      std::vector<real> one;
      for (const int threads : {1, 2, 3, 4, 8}) {
        CAPTURE(threads);
        Training training(small_model(experts), Precision::bf16, threads);
        for (int i = 0; i < 3; ++i) training.run();
        if (threads == 1) one = training.weights();
        CHECK(same_bytes(training.weights(), one));
      }
    }
  });
}

TEST_CASE("steps in bf16 are near those of fp32, but others, and the weights stay numbers of fp32") {
  with_bf16([] {
    for (const bool experts : {false, true}) {
      CAPTURE(experts);
      Training full(small_model(experts), Precision::fp32, 2),
          narrow(small_model(experts), Precision::bf16, 2);
      const StepFigures first = full.run(), first_narrow = narrow.run();
      CHECK(first_narrow.loss != first.loss);
      CHECK(std::fabs(first_narrow.loss - first.loss) <= 0.01 * first.loss);
      CHECK(std::fabs(first_narrow.gradient_norm - first.gradient_norm) <= 0.02 * first.gradient_norm);
      double loss = first.loss, narrow_loss = first_narrow.loss;
      for (int i = 0; i < 30; ++i) {
        loss = full.run().loss;
        narrow_loss = narrow.run().loss;
      }
      CHECK(loss <= 0.6 * first.loss);  // it learns
      CHECK(std::fabs(narrow_loss - loss) <= 0.1 * loss);
      // Weights rounded to bfloat16 would have zeros in their lower halves.
      int64_t of_few_bits = 0;
      for (const real w : narrow.weights()) {
        const float number = static_cast<float>(w);
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        of_few_bits += (bits & 0xffff) == 0;
      }
      CHECK(of_few_bits <= narrow.model.parameters().size() / 10);
    }
  });
}

TEST_CASE("the router's own weight is not rounded in training either") {
  with_bf16([] {
    Model model(small_model(true));
    model.initialise(3);
    const NarrowWeights narrow{training_kernels(Precision::bf16), model.exact_weights()};
    const PackedWeights packed(model.parameters(), kernels(), true, narrow);
    const PackedWeight* router = packed.of(model.exact_weights()[0]);
    CHECK((router->narrow == nullptr && router->forward && router->backward));
  });
}

TEST_CASE("after the first step training in bf16 allocates nothing") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: malloc cannot be counted in this build");
    return;
  }
  with_bf16([] {
    for (const int threads : {1, 2}) {
      CAPTURE(threads);
      Training training(small_model(true), Precision::bf16, threads);
      training.run();
      const int64_t before = allocation_count();
      for (int i = 0; i < 20; ++i) training.run();
      CHECK(allocation_count() - before == 0);
    }
  });
}

TEST_CASE("a precision that training cannot have is refused before anything is computed") {
  CHECK_THROWS_AS(Training(small_model(false), Precision::int8, 1), UsageError);
  use_kernels("baseline");
  CHECK_THROWS_AS(Training(small_model(false), Precision::bf16, 1), UsageError);
  use_kernels("auto");
}

TEST_CASE("a breakdown of training in bf16 shows its three products") {
  with_bf16([] {
    BenchOptions options;
    options.model = small_model(false);
    options.batch_size = 8;
    options.threads = 1;
    options.seconds = 0;
    options.breakdown = true;
    options.precision = Precision::bf16;
    const BenchResult result = bench_training(options);
    for (const char* name : {"narrow pack", "narrow encode", "narrow Y = X W^T", "narrow dX = dY W",
                             "narrow dW = dY^T X", "gemm attention"}) {
      CAPTURE(name);
      CHECK(std::any_of(result.kernels.begin(), result.kernels.end(),
                        [&](const KernelTime& k) { return k.name == name; }));
    }
  });
}
