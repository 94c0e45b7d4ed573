// What an evaluation counts.

#include "train/evaluate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <vector>

#include "data/dataset.h"

using namespace vmoe;

TEST_CASE("a model whose logits are not numbers is right about nothing") {
  const auto data = open_dataset("synthetic:families=3,details=2,train=1,test=4,size=8");
  ModelConfig config;
  config.vit = {
      .image_size = 8, .channels = 3, .patch_size = 4, .dim = 8, .depth = 1, .heads = 2, .mlp_dim = 8};
  config.vit.classes = data->classes();
  Model model(config);
  model.initialise(1);
  const Preprocess preprocess{.image_size = 8, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
  const EvaluationImages images(*data, Split::test, preprocess);
  const Evaluation before = evaluate(model, images, 1);
  CHECK(before.top5 > 0);
  CHECK(std::isfinite(before.loss));
  model.parameters().data()[0] = std::numeric_limits<real>::quiet_NaN();
  const Evaluation after = evaluate(model, images, 1);
  CHECK(after.top1 == 0);
  CHECK(after.top5 == 0);
}

TEST_CASE("denormal numbers are zero on every thread of an inference") {
  ModelConfig config;
  config.vit = {
      .image_size = 8, .channels = 3, .patch_size = 4, .dim = 8, .depth = 1, .heads = 2, .mlp_dim = 8};
  config.vit.classes = 4;
  const Model model(config);
  for (const int threads : {1, 3}) {
    CAPTURE(threads);
    Inference inference(model, threads);
    const int64_t images = 8 * inference.chunk();
    std::vector<float> halves(8, -1);
#pragma omp parallel num_threads(threads)
    std::fesetenv(FE_DFL_ENV);  // an earlier test may have set these threads
    inference.run(
        images,
        [&](InferenceWorker&, int64_t first, int) {
          volatile float number = std::numeric_limits<float>::min();  // volatile: at run time
          halves[first / inference.chunk()] = number / 2;
        },
        [](InferenceWorker&, int64_t, int) {});
    CHECK(std::count(halves.begin(), halves.end(), 0.0f) == 8);
  }
}
