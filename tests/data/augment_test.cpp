#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/data/files.h"
#include "tests/data/preprocess_of.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

Random random_at(uint32_t position) {
  return Random(3, Stream::test, 0, position);
}

}  // namespace

TEST_CASE("augmentation out of range is wrong usage") {
  const auto refuse = [](auto change, const std::string& words) {
    Augment augment;
    change(augment);
    error_of<UsageError>([&] { validate(augment); }, words);
  };
  refuse([](Augment& a) { a.crop = "random"; }, "crop 'random' is unknown");
  refuse([](Augment& a) { a.padding = -1; }, "padding");
  refuse([](Augment& a) { a.min_scale = 0; }, "min_scale");
  refuse([](Augment& a) { a.mixup = -1; }, "mixup");
  refuse([](Augment& a) { a.cutmix = 0.0 / 0.0; }, "cutmix");
  refuse([](Augment& a) { a.label_smoothing = 1; }, "label smoothing");
  refuse([](Augment& a) { a.rand_augment_ops = -1; }, "RandAugment's ops");
  refuse([](Augment& a) { a.rand_augment_magnitude = 31; }, "RandAugment's magnitude must be 0 to 30");
  refuse([](Augment& a) { a.random_erasing = 1.1; }, "random erasing");
  refuse([](Augment& a) { a.random_erasing = 0.0 / 0.0; }, "random erasing");
}

TEST_CASE("a padded crop shows the image at every shift, and black beside it") {
  ByteVector pixels;
  for (int i = 0; i < 16; ++i) pixels.push_back(static_cast<uint8_t>(100 + i));
  const ImageView image{pixels.data(), 4, 4, 1};
  std::set<std::pair<int, int>> shifts;
  ImageScratch scratch;
  for (uint32_t i = 0; i < 400; ++i) {
    ImageScratch::Frame frame(scratch);
    const ImageView crop = pad_crop(image, preprocess_of(4, 1), 2, random_at(i), scratch);
    int shift_x = 9, shift_y = 9;  // found from any pixel of the image that is in the crop
    for (int y = 0; y < 4; ++y) {
      for (int x = 0; x < 4; ++x) {
        const int value = crop.pixels[4 * y + x];
        if (value == 0) continue;
        shift_x = (value - 100) % 4 - x;
        shift_y = (value - 100) / 4 - y;
      }
    }
    shifts.insert({shift_x, shift_y});
    for (int y = 0; y < 4; ++y) {
      for (int x = 0; x < 4; ++x) {
        const int from_x = x + shift_x, from_y = y + shift_y;
        const bool inside = from_x >= 0 && from_x < 4 && from_y >= 0 && from_y < 4;
        CHECK(crop.pixels[4 * y + x] == (inside ? 100 + 4 * from_y + from_x : 0));
      }
    }
  }
  CHECK(shifts.size() == 25);
}

TEST_CASE("a padded crop of an oblong image reaches all of it") {
  const ByteVector pixels(40 * 8, 200);
  ImageScratch scratch;
  for (uint32_t i = 0; i < 100; ++i) {
    ImageScratch::Frame frame(scratch);
    const ImageView crop = pad_crop({pixels.data(), 40, 8, 1}, preprocess_of(8, 1), 0, random_at(i), scratch);
    for (int j = 0; j < 64; ++j) CHECK(crop.pixels[j] == 200);
  }
}

TEST_CASE("random resized boxes keep area and aspect within bounds and inside the image") {
  for (const auto& [width, height] : {std::pair{60, 40}, {40, 60}, {50, 50}}) {
    for (uint32_t i = 0; i < 500; ++i) {
      const Box box = random_resized_box(width, height, 0.25, random_at(i));
      const double w = box.right - box.left, h = box.bottom - box.top;
      CHECK((box.left >= 0 && box.top >= 0 && box.right <= width && box.bottom <= height));
      CHECK((w >= 1 && h >= 1));
      const double share = w * h / (width * height), ratio = w / h;
      CHECK((share >= 0.25 * 0.93 && share <= 1));  // whole pixels: up to half of one on each side
      CHECK((ratio >= 0.75 * 0.95 && ratio <= 4.0 / 3 * 1.05));
    }
  }
}

TEST_CASE("an image too oblong for a random box is cropped in the middle") {
  const Box wide = random_resized_box(1000, 10, 1, random_at(0));
  CHECK((wide.left == 493 && wide.right == 506 && wide.top == 0 && wide.bottom == 10));
  const Box tall = random_resized_box(10, 1000, 1, random_at(0));
  CHECK((tall.top == 493 && tall.bottom == 506));
  const Box dot = random_resized_box(1, 1, 0.25, random_at(0));
  CHECK((dot.right == 1 && dot.bottom == 1));
}

TEST_CASE("a mirrored image has its columns from right to left") {
  const ByteVector pixels = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  ImageScratch scratch;
  const ImageView colour = mirror({pixels.data(), 2, 2, 3}, scratch);
  CHECK(ByteVector(colour.pixels, colour.pixels + 12) == ByteVector{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9});
  const ImageView grey = mirror({pixels.data(), 3, 1, 1}, scratch);
  CHECK(ByteVector(grey.pixels, grey.pixels + 3) == ByteVector{3, 2, 1});
}

TEST_CASE("random erasing fills a box of every channel with standard normal noise, as often as asked") {
  constexpr int kSize = 16, kPixels = kSize * kSize;
  constexpr real kUntouched = 99;
  int erased = 0;
  double pixels = 0, sum = 0, squares = 0, least = 1, most = 0;
  std::set<int> corners;
  for (uint32_t i = 0; i < 1000; ++i) {
    std::vector<real> image(3 * kPixels, kUntouched);
    erase_randomly(0.25, 3, kSize, random_at(i), image.data());
    int left = kSize, right = -1, top = kSize, bottom = -1;
    for (int j = 0; j < kPixels; ++j) {
      const bool noise = image[j] != kUntouched;
      CHECK((image[kPixels + j] != kUntouched) == noise);
      CHECK((image[2 * kPixels + j] != kUntouched) == noise);
      if (!noise) continue;
      left = std::min(left, j % kSize), right = std::max(right, j % kSize);
      top = std::min(top, j / kSize), bottom = std::max(bottom, j / kSize);
      for (int c = 0; c < 3; ++c) {
        const double value = image[c * kPixels + j];
        ++pixels, sum += value, squares += value * value;
      }
    }
    if (right < 0) continue;
    ++erased;
    corners.insert(kSize * top + left);
    const int width = right - left + 1, height = bottom - top + 1;
    CHECK(kPixels - std::count(image.begin(), image.begin() + kPixels, kUntouched) == width * height);
    CHECK((width < kSize && height < kSize));
    const double share = width * height / double{kPixels}, ratio = height / double(width);
    least = std::min(least, share), most = std::max(most, share);
    CHECK((share >= 0.02 * 0.7 && share <= 0.33 * 1.1));  // whole pixels: boxes from 1 x 4 on
    CHECK((ratio >= 0.3 * 0.7 && ratio <= 3.3 * 1.5));
  }
  CHECK(std::abs(erased - 250) <= 70);  // five standard deviations
  CHECK((least <= 0.04 && most >= 0.3));
  CHECK(corners.size() > 100);
  CHECK(std::fabs(sum / pixels) <= 5 / std::sqrt(pixels));
  CHECK(std::fabs(squares / pixels - 1) <= 5 * std::sqrt(2 / pixels));
}

TEST_CASE("random erasing with probability 0, or where no box is smaller than the image, changes nothing") {
  for (uint32_t i = 0; i < 100; ++i) {
    real pixels[16] = {}, dot[1] = {7};
    erase_randomly(0, 1, 4, random_at(i), pixels);
    for (const real value : pixels) CHECK(value == 0);
    erase_randomly(1, 1, 1, random_at(i), dot);
    CHECK(dot[0] == 7);
  }
}

TEST_CASE("mixup adds two images with one weight") {
  real image[] = {1, 2}, partner[] = {3, 6};
  mix_images({Mixing::Kind::mixup, 0.75, {}}, 1, 1, partner, image);
  CHECK(image[0] == real(1.5));
  real target[3];
  soft_target({Mixing::Kind::mixup, 0.75, {}}, 2, 0, 0, 3, target);
  CHECK((target[0] == real(0.25) && target[1] == 0 && target[2] == real(0.75)));
}

TEST_CASE("cutmix takes a box from the partner, in every channel") {
  real image[2 * 9] = {}, partner[2 * 9];
  for (int i = 0; i < 18; ++i) partner[i] = static_cast<real>(i + 1);
  mix_images({Mixing::Kind::cutmix, 5.0 / 9, {1, 0, 2, 2}}, 2, 3, partner, image);
  const real want[] = {0, 2, 3, 0, 5, 6, 0, 0, 0, 0, 11, 12, 0, 14, 15, 0, 0, 0};
  for (int i = 0; i < 18; ++i) CHECK(image[i] == want[i]);
}

TEST_CASE("cutmix weighs the labels by the pixels that stay") {
  Augment augment;
  augment.cutmix = 1;
  bool varied = false;
  for (uint32_t i = 0; i < 300; ++i) {
    const Mixing mixing = draw_mixing(augment, 8, random_at(i));
    REQUIRE(mixing.kind == Mixing::Kind::cutmix);
    const Window& box = mixing.replaced;
    CHECK((box.left >= 0 && box.top >= 0 && box.left + box.width <= 8 && box.top + box.height <= 8));
    CHECK(mixing.keep == 1 - box.width * box.height / 64.0);
    varied = varied || (mixing.keep > 0.3 && mixing.keep < 0.7);
  }
  CHECK(varied);
}

TEST_CASE("with mixup and cutmix on, each pair draws one of them") {
  Augment augment;
  augment.mixup = augment.cutmix = 1;
  int cut = 0;
  for (uint32_t i = 0; i < 1000; ++i)
    cut += draw_mixing(augment, 8, random_at(i)).kind == Mixing::Kind::cutmix;
  CHECK(std::abs(cut - 500) <= 80);  // five standard deviations
  CHECK(draw_mixing(Augment{}, 8, random_at(0)).kind == Mixing::Kind::none);
}

TEST_CASE("mixup weights follow Beta(alpha, alpha)") {
  Augment augment;
  augment.mixup = 0.5;  // variance 1 / (4 (2 alpha + 1)) = 1/8
  double sum = 0, squares = 0;
  for (uint32_t i = 0; i < 4000; ++i) {
    const double keep = draw_mixing(augment, 8, random_at(i)).keep;
    sum += keep;
    squares += keep * keep;
  }
  const double mean = sum / 4000;
  CHECK(std::fabs(mean - 0.5) <= 0.03);
  CHECK(std::fabs(squares / 4000 - mean * mean - 0.125) <= 0.01);
}

TEST_CASE("label smoothing is PyTorch's") {
  real target[4];
  soft_target({}, 1, 1, 0.1, 4, target);
  CHECK(std::fabs(target[0] - 0.025) <= 1e-7);
  CHECK(std::fabs(target[1] - 0.925) <= 1e-7);
  // A pair of one class is not mixed as far as the label goes.
  soft_target({Mixing::Kind::mixup, 0.3, {}}, 1, 1, 0.1, 4, target);
  CHECK(std::fabs(target[1] - 0.925) <= 1e-6);
}

TEST_CASE("mixup and cutmix with a tiny alpha keep all or nothing, and never a number that is none") {
  for (const bool cut : {false, true}) {
    Augment augment;
    (cut ? augment.cutmix : augment.mixup) = 1e-4;  // both draws of Beta underflow most of the time
    int kept = 0;
    for (uint32_t i = 0; i < 400; ++i) {
      const Mixing mixing = draw_mixing(augment, 8, Random(7, Stream::mix, 0, i));
      CHECK((mixing.keep >= 0 && mixing.keep <= 1));
      kept += mixing.keep > 0.5;
    }
    CHECK((kept > 100 && kept < (cut ? 400 : 300)));
  }
}
