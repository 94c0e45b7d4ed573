// Predicting one image runs, packs and reads its own experts' matrices alone, counted by the kernels.

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "moe/layers.h"
#include "tensor/kernels/timed.h"
#include "tensor/random.h"
#include "train/inference.h"

using namespace vmoe;

namespace {

constexpr int kExperts = 6, kImages = 12;

ModelConfig mixture(int top_k) {
  ModelConfig config;
  config.vit = {
      .image_size = 16, .channels = 3, .patch_size = 4, .dim = 72, .depth = 4, .heads = 3, .mlp_dim = 100};
  config.vit.classes = 5;
  config.moe.router = "image";
  config.moe.experts = kExperts;
  config.moe.top_k = top_k;
  config.moe.moe_layers = BlockChoice::every(2);
  return config;
}

// Images so different that a router sends them to different experts.
std::vector<real> images_of(const VitConfig& vit) {
  std::vector<real> pixels(int64_t{kImages} * vit.channels * vit.image_size * vit.image_size);
  Random random(3, Stream::test);
  for (real& pixel : pixels) pixel = static_cast<real>(random.normal());
  return pixels;
}

struct Seen {
  std::vector<real> logits;
  std::vector<int> experts;
};

Seen predict(const Model& model, Inference& inference, std::vector<real>& pixels, int first, int count = 1) {
  const VitConfig& vit = model.config().vit;
  const int64_t size = static_cast<int64_t>(pixels.size()) / kImages;
  InferenceWorker& worker = inference.worker(0);
  worker.tape.reset();
  const Tensor images{pixels.data() + first * size, {count, vit.channels, vit.image_size, vit.image_size}};
  const Model::Output output = inference.forward(worker, images, Choice::learned, first);
  const Tensor logits = worker.tape.value(output.logits);
  return {{logits.begin(), logits.end()}, {output.routing->expert.begin(), output.routing->expert.end()}};
}

struct Count {
  int64_t packed = 0;
  double flops = 0;
};

// What the kernels did since `clear_kernel_times`.
Count counted() {
  Count count;
  for (const KernelTime& kernel : kernel_times()) {
    if (kernel.name == "pack") count.packed = kernel.calls;
    count.flops += kernel.flops;
  }
  return count;
}

class TimedKernels {
 public:
  TimedKernels() : before_(kernels()) { use_kernels(timed_kernels(before_)); }
  ~TimedKernels() { use_kernels(before_); }

 private:
  const Kernels& before_;
};

}  // namespace

TEST_CASE("one image's prediction packs and multiplies the matrices of its own experts, and no others") {
  const TimedKernels timed;
  for (const int top_k : {1, 2}) {
    CAPTURE(top_k);
    const ModelConfig config = mixture(top_k);
    Model model(config);
    model.initialise(1);
    std::vector<real> pixels = images_of(config.vit);
    Inference inference = Inference::taking_weights(model, 1);
    const int blocks = 2, matrices = 2;
    CHECK(inference.waiting_experts() == blocks * matrices * kExperts);

    std::set<int> met;
    for (int image = 0; image < kImages; ++image) {
      CAPTURE(image);
      clear_kernel_times();
      const Seen seen = predict(model, inference, pixels, image);
      const Count count = counted();
      CHECK(seen.experts.size() == static_cast<size_t>(top_k));
      const auto fresh = std::count_if(seen.experts.begin(), seen.experts.end(),
                                       [&](int e) { return met.insert(e).second; });
      // Each once, when its first image comes; attention packs keys and values of each head anew.
      CHECK(count.packed == blocks * matrices * fresh + 2 * config.vit.depth * config.vit.heads);
      CHECK(count.flops == static_cast<double>(size_of(config).flops));
      CHECK(inference.waiting_experts() == blocks * matrices * (kExperts - static_cast<int>(met.size())));
    }
    CHECK(met.size() > 1);  // otherwise this test shows little
  }
}

TEST_CASE("experts that are packed when images come give the bytes of experts that were packed before") {
  for (const Precision precision : {Precision::fp32, Precision::int8}) {
    CAPTURE(name_of(precision));
    const ModelConfig config = mixture(2);
    Model kept(config), given(config);
    kept.initialise(1);
    given.initialise(1);
    std::vector<real> pixels = images_of(config.vit);
    Inference before(kept, 1, precision), later = Inference::taking_weights(given, 1, precision);
    for (int image = 0; image < kImages; ++image)
      CHECK(predict(given, later, pixels, image).logits == predict(kept, before, pixels, image).logits);
    CHECK(predict(given, later, pixels, 0, kImages).logits ==
          predict(kept, before, pixels, 0, kImages).logits);
  }
}

TEST_CASE("many threads that ask for the same experts at once give the same bytes") {
  const ModelConfig config = mixture(2);
  Model kept(config), given(config);
  kept.initialise(1);
  given.initialise(1);
  std::vector<real> pixels = images_of(config.vit);
  Inference before(kept, 1), later = Inference::taking_weights(given, 8);
  const VitConfig& vit = config.vit;
  const int64_t size = static_cast<int64_t>(pixels.size()) / kImages;
  std::vector<real> logits(static_cast<size_t>(kImages) * 5);
  later.run(
      kImages,
      [&](InferenceWorker& worker, int64_t first, int count) {
        worker.tape.reset();
        const Tensor images{pixels.data() + first * size,
                            {count, vit.channels, vit.image_size, vit.image_size}};
        const Tensor values = worker.tape.value(later.forward(worker, images, Choice::learned, first).logits);
        std::copy(values.begin(), values.end(), logits.begin() + first * 5);
      },
      [](InferenceWorker&, int64_t, int) {});
  CHECK(logits == predict(kept, before, pixels, 0, kImages).logits);
}
