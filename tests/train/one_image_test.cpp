// What one prediction takes.

#include "train/study/one_image.h"

#include <doctest/doctest.h>

#include "data/dataset.h"
#include "moe/layers.h"
#include "tensor/error.h"

using namespace vmoe;

namespace {

ModelConfig mixture(const char* router, int top_k) {
  ModelConfig config;
  config.vit = {
      .image_size = 8, .channels = 3, .patch_size = 4, .dim = 8, .depth = 3, .heads = 2, .mlp_dim = 8};
  config.vit.classes = 6;
  config.moe.router = router;
  config.moe.experts = 5;
  config.moe.top_k = top_k;
  return config;
}

struct Images {
  std::unique_ptr<Dataset> data = open_dataset("synthetic:families=3,details=2,train=1,test=4,size=8");
  EvaluationImages test{
      *data, Split::test, {.image_size = 8, .mean = {0.5, 0.5, 0.5}, .deviation = {1, 1, 1}}};
};

OneImageWeights weights_of(const ModelConfig& config, int threads = 2) {
  const Images images;
  Model model(config);
  model.initialise(1);
  return weights_of_one_image(model, images.test, threads);
}

}  // namespace

TEST_CASE("an image touches its experts in every block with experts, and reads its active parameters") {
  for (const int top_k : {1, 2}) {
    const ModelConfig config = mixture("image", top_k);  // the last two blocks have experts
    const OneImageWeights weights = weights_of(config);
    CHECK(weights.experts == top_k);
    CHECK(weights.bytes == static_cast<double>(size_of(config).active_params) * sizeof(real));
  }
}

TEST_CASE("a dense model reads all its parameters; tokens touch at least as many experts as they choose") {
  ModelConfig dense = mixture("image", 1);
  dense.moe = {};
  CHECK(weights_of(dense).experts == 0);
  CHECK(weights_of(dense).bytes == static_cast<double>(size_of(dense).params) * sizeof(real));
  const ModelConfig config = mixture("token", 2);
  const OneImageWeights tokens = weights_of(config);
  CHECK((tokens.experts >= 2 && tokens.experts <= 5));
  CHECK(tokens.bytes <= static_cast<double>(size_of(config).params) * sizeof(real));
  CHECK(weights_of(config, 1).bytes == tokens.bytes);
}

TEST_CASE("times of several models come from the same images, and need at least one") {
  const Images images;
  Model a(mixture("image", 1)), b(mixture("token", 1));
  a.initialise(1);
  b.initialise(1);
  const auto times = times_of_one_image({&a, &b}, images.test, 2);
  REQUIRE(times.size() == 2);
  for (const OneImageTimes& t : times) CHECK((t.p50_ms > 0 && t.p50_ms <= t.p95_ms));
  Model c(mixture("image", 1));
  const EvaluationImages none(*images.data, Split::test, std::vector<int64_t>{},
                              {.image_size = 8, .mean = {0, 0, 0}, .deviation = {1, 1, 1}});
  CHECK_THROWS_AS(times_of_one_image({&c}, none, 1), InputError);
}
