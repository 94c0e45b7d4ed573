// RandAugment against torchvision's results (tests/fixtures/make_augment.py), and what its draws promise.

#include "data/rand_augment.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "data/decode.h"
#include "tests/data/files.h"
#include "tests/support/fixture.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

const std::vector<std::string> kNames = {
    "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
    "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};

AugmentOp op_named(const std::string& name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  REQUIRE(found != kNames.end());
  return static_cast<AugmentOp>(found - kNames.begin());
}

/// Three channels of every kind of value, or one.
ImageView noise(int size, int channels, ImageScratch& scratch, uint32_t which = 0) {
  Random random(11, Stream::test, 0, which);
  uint8_t* pixels = scratch.allocate<uint8_t>(int64_t{size} * size * channels);
  for (int i = 0; i < size * size * channels; ++i) pixels[i] = static_cast<uint8_t>(random.below(256));
  return {pixels, size, size, channels};
}

Random random_at(uint32_t position) {
  return Random(5, Stream::test, 0, position);
}

}  // namespace

TEST_CASE("every op of RandAugment gives torchvision's pixels") {
  std::ifstream file(fixture_path("augment/cases.txt"));
  ImageScratch scratch;
  std::string source, name;
  std::set<std::string> seen;
  std::map<std::string, int> place;
  for (float magnitude; file >> source >> name >> magnitude;) {
    CAPTURE(source);
    CAPTURE(name);
    CAPTURE(magnitude);
    ImageScratch::Frame frame(scratch);
    const ImageView image = load_image(fixture_path("augment/" + source + ".ppm"), scratch);
    const ImageView results = load_image(fixture_path("augment/" + source + "_results.ppm"), scratch);
    const ImageView want{results.row(int64_t{image.height} * place[source]++), image.width, image.height,
                         image.channels};
    REQUIRE(want.pixels + want.bytes() <= results.pixels + results.bytes());
    uint8_t* pixels = scratch.allocate<uint8_t>(image.bytes());
    apply_op(op_named(name), magnitude, image, pixels);
    CHECK(largest_difference({pixels, image.width, image.height, image.channels}, want) == 0);
    seen.insert(source + name);
  }
  CHECK(seen.size() == 3 * kAugmentOps);
}

TEST_CASE("magnitudes are torchvision's at all 31 bins, but for the last bit") {
  std::ifstream file(fixture_path("augment/magnitudes.txt"));
  int lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    CAPTURE(line);
    std::istringstream words(line);
    std::string name;
    int size = 0;
    bool with_sign = false;
    words >> name >> size >> with_sign;
    CHECK(is_signed(op_named(name)) == with_sign);
    for (int bin = 0; bin < kMagnitudeBins; ++bin) {
      float want = -1;
      words >> want;
      CAPTURE(bin);
      const float got = magnitude_of(op_named(name), bin, size);
      CHECK(std::fabs(got - want) <= 0x1p-23f * want);  // torch's last bit depends on its vectors
      if (name.starts_with("Translate")) CHECK(std::trunc(got) == std::trunc(want));
    }
  }
  CHECK(lines == 2 * kAugmentOps);
}

TEST_CASE("at magnitude 0 an op changes nothing, but for those that have no strength") {
  ImageScratch scratch;
  for (const int channels : {1, 3}) {
    const ImageView image = noise(9, channels, scratch);
    uint8_t* out = scratch.allocate<uint8_t>(image.bytes());
    for (const AugmentOp op :
         {AugmentOp::identity, AugmentOp::shear_x, AugmentOp::shear_y, AugmentOp::translate_x,
          AugmentOp::translate_y, AugmentOp::rotate, AugmentOp::brightness, AugmentOp::color,
          AugmentOp::contrast, AugmentOp::sharpness, AugmentOp::posterize, AugmentOp::solarize}) {
      CAPTURE(static_cast<int>(op));
      std::fill_n(out, image.bytes(), uint8_t{77});
      apply_op(op, magnitude_of(op, 0, 9), image, out);
      int changed = 0;
      for (int64_t i = 0; i < image.bytes(); ++i) {
        const bool inverted = op == AugmentOp::solarize && image.pixels[i] == 255;
        changed += out[i] != (inverted ? 0 : image.pixels[i]);
      }
      CHECK(changed == 0);
    }
  }
}

TEST_CASE("an op writes the whole result and nothing beside it, at every size") {
  ImageScratch scratch;
  for (const int channels : {1, 3}) {
    for (const int size : {1, 2, 3, 16, 33}) {
      ImageScratch::Frame frame(scratch);
      const ImageView image = noise(size, channels, scratch);
      uint8_t* out = scratch.allocate<uint8_t>(image.bytes() + 16);
      uint8_t* again = scratch.allocate<uint8_t>(image.bytes() + 16);
      for (int op = 0; op < kAugmentOps; ++op) {
        for (const float sign : {1.0f, -1.0f}) {
          CAPTURE(op);
          CAPTURE(size);
          const float magnitude = sign * magnitude_of(static_cast<AugmentOp>(op), 30, size);
          if (sign < 0 && !is_signed(static_cast<AugmentOp>(op))) continue;
          std::fill_n(out, image.bytes() + 16, uint8_t{1});
          std::fill_n(again, image.bytes() + 16, uint8_t{2});
          apply_op(static_cast<AugmentOp>(op), magnitude, image, out + 8);
          apply_op(static_cast<AugmentOp>(op), magnitude, image, again + 8);
          CHECK(std::equal(out + 8, out + 8 + image.bytes(), again + 8));
          for (int i = 0; i < 8; ++i) CHECK((out[i] == 1 && out[image.bytes() + 8 + i] == 1));
        }
      }
    }
  }
}

TEST_CASE("translation shows black beside the image, and the same pixels elsewhere") {
  ImageScratch scratch;
  const ImageView image = noise(8, 3, scratch);
  uint8_t out[8 * 8 * 3];
  apply_op(AugmentOp::translate_x, -2.9f, image, out);  // two pixels to the left
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      for (int c = 0; c < 3; ++c)
        CHECK(out[24 * y + 3 * x + c] == (x < 6 ? image.row(y)[3 * (x + 2) + c] : 0));
    }
  }
}

TEST_CASE("each of the 14 ops is drawn as often as another, with both signs") {
  // The ops of an image with one white pixel on grey are told apart by what they do to it; here the draws are
  // repeated as rand_augment makes them, and must explain its result.
  ImageScratch scratch;
  std::map<std::pair<int, bool>, int> drawn;
  const ImageView image = noise(16, 3, scratch);
  uint8_t* want = scratch.allocate<uint8_t>(image.bytes());
  for (uint32_t i = 0; i < 2800; ++i) {
    ImageScratch::Frame frame(scratch);
    Random random = random_at(i);
    const auto op = static_cast<AugmentOp>(random.below(kAugmentOps));
    const bool negative = is_signed(op) && random.below(2) == 1;
    const float magnitude = magnitude_of(op, 9, 16);
    apply_op(op, negative ? -magnitude : magnitude, image, want);
    const ImageView got = rand_augment(image, 1, 9, random_at(i), scratch);
    CHECK(largest_difference(got, {want, 16, 16, 3}) == 0);
    ++drawn[{static_cast<int>(op), negative}];
  }
  CHECK(drawn.size() == 14 + 9);
  for (const auto& [op_and_sign, times] : drawn) {
    const double expected = is_signed(static_cast<AugmentOp>(op_and_sign.first)) ? 100 : 200;
    CHECK(std::fabs(times - expected) <= 5 * std::sqrt(expected));  // five standard deviations
  }
}

TEST_CASE("several ops follow each other") {
  ImageScratch scratch;
  const ImageView image = noise(16, 3, scratch);
  for (uint32_t i = 0; i < 100; ++i) {
    ImageScratch::Frame frame(scratch);
    Random random = random_at(i);
    uint8_t* pixels[2] = {scratch.allocate<uint8_t>(image.bytes()), scratch.allocate<uint8_t>(image.bytes())};
    ImageView want = image;
    for (int n = 0; n < 3; ++n) {
      const auto op = static_cast<AugmentOp>(random.below(kAugmentOps));
      const bool negative = is_signed(op) && random.below(2) == 1;
      const float magnitude = magnitude_of(op, 20, 16);
      apply_op(op, negative ? -magnitude : magnitude, want, pixels[n % 2]);
      want.pixels = pixels[n % 2];
    }
    CHECK(largest_difference(rand_augment(image, 3, 20, random_at(i), scratch), want) == 0);
  }
}
