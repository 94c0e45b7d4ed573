// Prediction of single pictures.

#include "train/predict.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "data/write_png.h"
#include "tensor/random.h"
#include "tests/support/fixture.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

// A new model of four classes; `router` "none" or "image".
LoadedModel new_model(const std::string& router, int image_size, int patch_size) {
  LoadedModel loaded;
  ModelDescription& d = loaded.description;
  d.config.vit = {.image_size = image_size,
                  .channels = 3,
                  .patch_size = patch_size,
                  .dim = 72,
                  .depth = 3,
                  .heads = 3,
                  .mlp_dim = 100,
                  .pool = Pool::cls,
                  .classes = 4};
  d.config.moe.router = router;
  d.config.moe.experts = 3;
  d.config.moe.top_k = 2;
  d.classes = {"cat", "dog", "owl", "hen"};
  d.preprocess = {
      .image_size = image_size, .channels = 3, .mean = {.5, .5, .5}, .deviation = {.25, .25, .25}};
  loaded.model = std::make_unique<Model>(d.config);
  loaded.model->initialise(1);
  return loaded;
}

}  // namespace

TEST_CASE("a prediction is the same bytes for any number of threads that share one picture") {
  const TemporaryFolder folder;
  const std::string picture = (folder / "noise.png").string();
  std::vector<uint8_t> pixels(40 * 30 * 3);
  Random random(2, Stream::test);
  for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random.below(256));
  write_png(picture, {pixels.data(), 40, 30, 3});
  for (const char* router : {"none", "image"}) {
    CAPTURE(router);
    Predictor alone(new_model(router, 32, 4), 1);
    const Prediction want = alone.predict(picture, 4);
    REQUIRE(want.top.size() == 4);
    CHECK(want.experts.size() == (alone.description().config.moe.is_dense() ? 0 : 2));
    for (const int threads : {2, 3, 4, 8}) {
      CAPTURE(threads);
      Predictor team(new_model(router, 32, 4), threads);
      for (int again = 0; again < 2; ++again) {
        const Prediction got = team.predict(picture, 4);
        for (size_t i = 0; i < 4; ++i) {
          CHECK(got.top[i].index == want.top[i].index);
          CHECK(got.top[i].probability == want.top[i].probability);
        }
        REQUIRE(got.experts.size() == want.experts.size());
        for (size_t i = 0; i < got.experts.size(); ++i) {
          CHECK(got.experts[i].index == want.experts[i].index);
          CHECK(got.experts[i].gate == want.experts[i].gate);
        }
      }
    }
  }
}

TEST_CASE("a picture that can be decoded but not resized within the budget is named") {
  const TemporaryFolder folder;
  const fs::path picture = folder / "padded.jpg";
  fs::copy_file(fixture_path("images/baseline_444.jpg"), picture);
  // What follows a JPEG's end is ignored, but was read: a MiB is left for everything else.
  fs::resize_file(picture, ImageScratch::kBudget - (size_t{1} << 20));
  Predictor predictor(new_model("none", 1024, 128), 1);
  CHECK_THROWS_WITH_AS(predictor.predict(picture.string(), 1), doctest::Contains("padded.jpg: "), InputError);
}
