#include "data/augment.h"

#include <cmath>
#include <set>

#include "tests/data/files.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

Preprocess plain(int size, int channels) {
  Preprocess p;
  p.image_size = size;
  p.channels = channels;
  p.mean.assign(static_cast<size_t>(channels), 0.0);
  p.deviation.assign(static_cast<size_t>(channels), 1.0);
  return p;
}

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
}

TEST_CASE("a padded crop shows the image at every shift, and black beside it") {
  ByteVector pixels;
  for (int i = 0; i < 16; ++i) pixels.push_back(static_cast<uint8_t>(100 + i));
  const ImageView image{pixels.data(), 4, 4, 1};
  std::set<std::pair<int, int>> shifts;
  ImageScratch scratch;
  for (uint32_t i = 0; i < 400; ++i) {
    ImageScratch::Frame frame(scratch);
    const ImageView crop = pad_crop(image, plain(4, 1), 2, random_at(i), scratch);
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
    const ImageView crop = pad_crop({pixels.data(), 40, 8, 1}, plain(8, 1), 0, random_at(i), scratch);
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
