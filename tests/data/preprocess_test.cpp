#include "data/preprocess.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/batch.h"
#include "data/dataset.h"
#include "tests/data/files.h"
#include "tests/data/preprocess_of.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

/// Images that no memory suffices for.
class Huge : public Dataset {
 public:
  Huge() { labels_[0] = {0, 1}; }
  ImageView image(Split, int64_t, ImageScratch&) const override { throw BudgetError("too large"); }
  std::string name(Split, int64_t i) const override { return "picture " + std::to_string(i); }
};

/// Loading this after one change must fail with these words.
void check_json(const std::function<void(nlohmann::json&)>& change, const std::string& words) {
  nlohmann::json json = to_json(preprocess_of(32, 3));
  change(json);
  error_of<InputError>([&] { preprocess_from_json(json, "model.safetensors"); },
                       "model.safetensors: preprocessing: " + words);
}

}  // namespace

TEST_CASE("preprocessing survives JSON unchanged") {
  Preprocess p = preprocess_of(28, 1);
  p.filter = "bilinear";
  p.crop_fraction = 0.875;
  p.mean = {0.28604063};
  p.deviation = {0.35302424};
  CHECK(preprocess_from_json(nlohmann::json::parse(to_json(p).dump()), "test") == p);
}

TEST_CASE("preprocessing with a missing, unknown or ill-typed key is refused") {
  check_json([](auto& json) { json.erase("filter"); }, "key 'filter' is missing");
  check_json([](auto& json) { json["scale"] = 2; }, "unknown key \"scale\"; known: image_size, ");
  check_json([](auto& json) { json[std::string(200, 'k')] = 2; },
             "unknown key \"" + std::string(56, 'k') + "...");
  check_json([](auto& json) { json["image_size"] = "32"; }, "image_size is \"32\", it should be an integer");
  check_json([](auto& json) { json["image_size"] = 1e30; }, "image_size is 1e+30, it should be an integer");
  check_json([](auto& json) { json["image_size"] = -5; }, "image_size must be 1 to 4096");
  check_json([](auto& json) { json["filter"] = 3; }, "filter is 3, it should be a string");
  check_json([](auto& json) { json["crop_fraction"] = nullptr; },
             "crop_fraction is null, it should be a number");
  check_json([](auto& json) { json["mean"] = 0.5; }, "mean is 0.5, it should be a list of numbers");
  check_json(
      [](auto& json) {
        json["deviation"] = {"a", "b", "c"};
      },
      "deviation is a list, it should be a list of numbers");
  check_json([](auto& json) { json = {1, 2}; }, "a list should be an object");
}

TEST_CASE("preprocessing with values out of range is refused") {
  check_json([](auto& json) { json["image_size"] = 0; }, "image_size must be 1 to 4096");
  check_json([](auto& json) { json["channels"] = 2; }, "channels must be 1 or 3");
  check_json([](auto& json) { json["filter"] = "nearest"; }, "filter must be");
  check_json([](auto& json) { json["crop_fraction"] = 0; }, "crop_fraction must be");
  check_json([](auto& json) { json["mean"] = {0.5}; }, "mean and deviation must have one number a channel");
  check_json([](auto& json) { json["deviation"] = {1, 1, 0}; }, "deviation must be");
  Preprocess p = preprocess_of(32, 1);
  p.mean = {std::numeric_limits<double>::quiet_NaN()};
  error_of<InputError>([&] { validate(p, "x"); }, "mean must be");
}

TEST_CASE("evaluation resizes the shorter side and keeps the middle") {
  // torchvision: Resize(256) of 300 x 200 gives 384 x 256, CenterCrop(224) starts at (80, 16).
  const EvaluationGeometry g = evaluation_geometry(300, 200, 224, 0.875);
  CHECK((g.full_width == 384 && g.full_height == 256));
  CHECK((g.window.left == 80 && g.window.top == 16 && g.window.width == 224));
  // 33 x 32 at 32: nothing is resized; int(round(0.5)) is 0, int(round(1.5)) is 2.
  CHECK(evaluation_geometry(33, 32, 32, 1).window.left == 0);
  CHECK(evaluation_geometry(35, 32, 32, 1).window.left == 2);
  CHECK(evaluation_geometry(32, 37, 32, 1).window.top == 2);
}

TEST_CASE("an image of the right size is only normalised") {
  const ByteVector pixels{0, 51, 102, 153, 204, 255, 10, 20, 30, 40, 50, 60};
  Preprocess p = preprocess_of(2, 3);
  p.mean = {0.5, 0.25, 0};
  p.deviation = {0.5, 0.25, 2};
  real out[12];
  ImageScratch scratch;
  preprocess({pixels.data(), 2, 2, 3}, p, scratch, out);
  for (int i = 0; i < 4; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      const double want = (pixels[3 * static_cast<size_t>(i) + c] / 255.0 - p.mean[c]) / p.deviation[c];
      CHECK(std::fabs(out[4 * c + static_cast<size_t>(i)] - want) <= 4e-7);
    }
  }
  CHECK(scratch.used() == 0);
}

TEST_CASE("normalising can mirror") {
  const ByteVector pixels{0, 51, 102, 255};
  real plainly[4], mirrored[4];
  normalise({pixels.data(), 2, 2, 1}, preprocess_of(2, 1), false, plainly);
  normalise({pixels.data(), 2, 2, 1}, preprocess_of(2, 1), true, mirrored);
  CHECK((mirrored[0] == plainly[1] && mirrored[1] == plainly[0] && mirrored[2] == plainly[3]));
}

TEST_CASE("images are brought to the model's channels") {
  ImageScratch scratch;
  const ByteVector grey{7, 8, 9, 10}, colour(12, 100);
  CHECK(fit_image({grey.data(), 2, 2, 1}, preprocess_of(2, 3), scratch).pixels[5] == 8);
  CHECK(fit_image({colour.data(), 2, 2, 3}, preprocess_of(2, 1), scratch).pixels[3] == 100);
}

TEST_CASE("an image of extreme shape is preprocessed in bounded memory") {
  const ByteVector pixels(3 * 100000, 50);
  ImageScratch scratch(size_t{32} << 20);
  std::vector<real> out(3 * 224 * 224);
  preprocess({pixels.data(), 100000, 1, 3}, preprocess_of(224, 3), scratch, out.data());
  preprocess({pixels.data(), 1, 100000, 3}, preprocess_of(224, 3), scratch, out.data());
  CHECK(std::fabs(out[0] - 50 / 255.0) <= 1e-6);
}

TEST_CASE("mean and deviation are those of the pixels") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  const auto data = open_dataset(folder.path());
  Preprocess p;
  p.image_size = 3;
  p.channels = 1;
  // Every image is resized from 2 x 3 to 3 x 4 and cropped to 3 x 3; the sums below are over what fit_image
  // gives.
  std::vector<int64_t> indices(6);
  std::iota(indices.begin(), indices.end(), 0);
  measure_mean_deviation(*data, Split::train, indices, p);
  ImageScratch scratch;
  double sum = 0, squares = 0;
  for (const int64_t i : indices) {
    const ImageView image = fit_image(data->image(Split::train, i, scratch), p, scratch);
    for (int j = 0; j < 9; ++j) {
      sum += image.pixels[j];
      squares += image.pixels[j] * image.pixels[j];
    }
  }
  const double mean = sum / 54, deviation = std::sqrt(squares / 54 - mean * mean);
  REQUIRE(p.mean.size() == 1);
  CHECK(std::fabs(p.mean[0] - mean / 255) <= 1e-12);
  CHECK(std::fabs(p.deviation[0] - deviation / 255) <= 1e-12);
}

TEST_CASE("a constant channel has deviation 1") {
  const TemporaryFolder folder;
  for (const std::string name : {"a", "b"})
    write_bytes(folder / "train" / name / "x.pgm", plain_pnm(3, 3, 1, 51));
  const auto data = open_dataset(folder.path());
  Preprocess p;
  p.image_size = 3;
  p.channels = 1;
  measure_mean_deviation(*data, Split::train, {0, 1}, p);
  CHECK(p.deviation[0] == 1);
  CHECK(std::fabs(p.mean[0] - 0.2) <= 1e-12);
}

TEST_CASE("an image that needs too much memory is named, whoever asks for it") {
  Preprocess p = preprocess_of(4, 3);
  const Huge data;
  ImageScratch scratch;
  std::vector<real> numbers(3 * 16 + 2);
  int label;
  error_of<InputError>([&] { measure_mean_deviation(data, Split::train, {1}, p); }, "picture 1: too large");
  error_of<InputError>(
      [&] { EvaluationImages(data, Split::train, p).fill(1, 1, scratch, numbers.data(), &label); },
      "picture 1: too large");
  error_of<InputError>(
      [&] {
        TrainingBatches(data, {1}, p, {}, 7).fill(0, 1, scratch, numbers.data(), numbers.data() + 48, &label);
      },
      "picture 1: too large");
}
