// Whole models with weights of fewer bits.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/kernels/narrow.h"
#include "tensor/random.h"
#include "train/inference.h"

using namespace vmoe;

namespace {

constexpr int kImages = 11;

ModelConfig config_of(const std::string& router) {
  ModelConfig config;
  config.vit = {.image_size = 16,
                .channels = 3,
                .patch_size = 4,
                .dim = 96,
                .depth = 3,
                .heads = 3,
                .mlp_dim = 150,
                .pool = router == "none" ? Pool::seq : Pool::cls,
                .classes = 10};
  config.moe.router = router;
  config.moe.experts = 5;
  config.moe.top_k = 2;
  return config;
}

struct Outputs {
  std::vector<real> logits;  // [images, classes]
  std::vector<int> experts;
};

/// Logits of all images, `together` at a time on a team of `threads`.
Outputs outputs_of(const Model& model, Precision precision, int together, int threads) {
  Inference inference(model, 1, precision);
  const VitConfig& vit = model.config().vit;
  const int64_t size = int64_t{vit.channels} * vit.image_size * vit.image_size;
  std::vector<real> pixels(kImages * size);
  Random random(3, Stream::test);
  for (real& value : pixels) value = static_cast<real>(random.uniform(-1, 1));
  InferenceWorker& worker = inference.worker(0);
  Team team(threads);
  worker.tape.set_team(team);
  Outputs outputs;
  for (int first = 0; first < kImages; first += together) {
    const int count = std::min(together, kImages - first);
    worker.tape.reset();
    Model::Output output;
    team.lead([&] {
      output = inference.forward(
          worker, {pixels.data() + first * size, {count, vit.channels, vit.image_size, vit.image_size}});
    });
    const Tensor logits = worker.tape.value(output.logits);
    outputs.logits.insert(outputs.logits.end(), logits.begin(), logits.end());
    if (output.routing && together == 1) {
      for (const int expert : output.routing->expert) outputs.experts.push_back(expert);
    }
  }
  return outputs;
}

bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

double distance(const std::vector<real>& a, const std::vector<real>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::fabs(a[i] - b[i]) <= most)) most = std::fabs(a[i] - b[i]);
  }
  return most;
}

}  // namespace

TEST_CASE("with fewer bits an image's logits do not depend on its neighbours, nor on threads") {
  for (const char* router : {"none", "image"}) {
    Model model(config_of(router));
    model.initialise(1);
    for (const Precision precision : available_precisions()) {
      CAPTURE(router);
      CAPTURE(name_of(precision));
      const Outputs alone = outputs_of(model, precision, 1, 1);
      for (const int together : {2, kImages})
        CHECK(same_bytes(outputs_of(model, precision, together, 1).logits, alone.logits));
      for (const int threads : {2, 3})
        CHECK(same_bytes(outputs_of(model, precision, 1, threads).logits, alone.logits));
    }
  }
}

TEST_CASE("with fewer bits logits stay near those of fp32, but are others") {
  for (const char* router : {"none", "image"}) {
    Model model(config_of(router));
    model.initialise(1);
    const Outputs full = outputs_of(model, Precision::fp32, 1, 1);
    double size = 0;
    for (const real logit : full.logits) size = std::max(size, std::fabs(double{logit}));
    for (const Precision precision : available_precisions()) {
      if (precision == Precision::fp32) continue;
      CAPTURE(router);
      CAPTURE(name_of(precision));
      const Outputs narrow = outputs_of(model, precision, 1, 1);
      CHECK(narrow.experts == full.experts);
      CHECK(distance(narrow.logits, full.logits) > 0);
      CHECK(distance(narrow.logits, full.logits) <= 0.05 * size);
    }
  }
}

TEST_CASE("weights of a whole model shrink to a quarter in int8, to a half in bf16; the router's stay") {
  ModelConfig config = config_of("image");
  config.vit.dim = 192;
  config.vit.mlp_dim = 768;
  Model model(config);
  model.initialise(1);
  const auto bytes = [&](Precision precision) {
    return static_cast<double>(Inference(model, 1, precision).weight_bytes());
  };
  for (const Precision precision : available_precisions()) {
    const double share = bytes(precision) / bytes(Precision::fp32);
    if (precision == Precision::int8) CHECK((share > 0.25 && share < 0.29));
    if (precision == Precision::bf16) CHECK((share >= 0.5 && share < 0.51));
  }
  REQUIRE(model.exact_weights().size() == 1);
  CHECK(model.parameters()[model.exact_weights()[0]].name == "moe.router.weight");
  PackedWeights packed(model.parameters(), kernels(), false,
                       {narrow_kernels(available_precisions().back()), model.exact_weights()});
  CHECK(packed.of(model.exact_weights()[0])->narrow == nullptr);
  CHECK(packed.of(model.exact_weights()[0])->forward != nullptr);
}

TEST_CASE("a model of NaN has logits of NaN in every precision") {
  Model model(config_of("none"));
  model.initialise(1);
  const Tensor weights = model.parameters().value(model.parameters().find("blocks.1.mlp.fc1.weight"));
  weights[7] = std::nanf("");
  for (const Precision precision : available_precisions()) {
    for (const real logit : outputs_of(model, precision, 1, 1).logits) CHECK(std::isnan(logit));
  }
}
