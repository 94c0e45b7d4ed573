#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/rand_augment.h"
#include "tensor/error.h"
#include "tensor/math.h"

namespace vmoe {

namespace {

void require(bool fine, const std::string& what) {
  if (!fine) throw UsageError("augmentation: " + what);
}

}  // namespace

void validate(const Augment& a) {
  require(a.crop == "none" || a.crop == "pad" || a.crop == "resized",
          "crop '" + a.crop + "' is unknown; there are none, pad and resized");
  require(a.padding >= 0 && a.padding <= 1024, "padding must be 0 to 1024");
  require(a.min_scale > 0 && a.min_scale <= 1, "min_scale must be above 0 and at most 1");
  require(a.mixup >= 0 && a.mixup <= 100, "mixup must be 0 to 100");
  require(a.cutmix >= 0 && a.cutmix <= 100, "cutmix must be 0 to 100");
  require(a.label_smoothing >= 0 && a.label_smoothing < 1, "label smoothing must be at least 0 and below 1");
  require(a.rand_augment_ops >= 0 && a.rand_augment_ops <= 16, "RandAugment's ops must be 0 to 16");
  require(a.rand_augment_magnitude >= 0 && a.rand_augment_magnitude < kMagnitudeBins,
          "RandAugment's magnitude must be 0 to 30");
  require(a.random_erasing >= 0 && a.random_erasing <= 1, "the probability of random erasing must be 0 to 1");
}

ImageView pad_crop(const ImageView& image, const Preprocess& p, int padding, Random random,
                   ImageScratch& scratch) {
  const int size = p.image_size, channels = image.channels;
  EvaluationGeometry g = evaluation_geometry(image.width, image.height, size, 1);
  const int64_t left =
      random.below(static_cast<uint32_t>(g.full_width - size + 2 * padding + 1)) - int64_t{padding};
  const int64_t top =
      random.below(static_cast<uint32_t>(g.full_height - size + 2 * padding + 1)) - int64_t{padding};
  // The part of the crop that lies on the image, and where it goes.
  const int64_t from_x = std::max<int64_t>(left, 0), to_x = std::min(left + size, g.full_width);
  const int64_t from_y = std::max<int64_t>(top, 0), to_y = std::min(top + size, g.full_height);
  uint8_t* target = scratch.allocate<uint8_t>(int64_t{size} * size * channels);
  std::memset(target, 0, static_cast<size_t>(size) * size * channels);
  if (to_x > from_x && to_y > from_y) {
    ImageScratch::Frame frame(scratch);
    const Window window{from_x, from_y, static_cast<int>(to_x - from_x), static_cast<int>(to_y - from_y)};
    const ImageView part = resize(image, Box::whole(image), g.full_width, g.full_height, window,
                                  parse_resize_filter(p.filter), scratch);
    for (int y = 0; y < part.height; ++y) {
      uint8_t* row = target + ((from_y - top + y) * size + (from_x - left)) * channels;
      std::memcpy(row, part.row(y), static_cast<size_t>(part.row_bytes()));
    }
  }
  return {target, size, size, channels};
}

Box random_resized_box(int width, int height, double min_scale, Random random) {
  const double area = static_cast<double>(width) * height, log_ratio = math::log(4.0 / 3);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(min_scale, 1);
    const double ratio = math::exp(random.uniform(-log_ratio, log_ratio));
    const auto w = static_cast<int64_t>(std::floor(std::sqrt(target * ratio) + 0.5));
    const auto h = static_cast<int64_t>(std::floor(std::sqrt(target / ratio) + 0.5));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const auto left = static_cast<double>(random.below(static_cast<uint32_t>(width - w + 1)));
    const auto top = static_cast<double>(random.below(static_cast<uint32_t>(height - h + 1)));
    return {left, top, left + static_cast<double>(w), top + static_cast<double>(h)};
  }
  const double aspect = static_cast<double>(width) / height;
  const double w = aspect > 4.0 / 3 ? std::floor(height * 4.0 / 3 + 0.5) : width;
  const double h = aspect < 3.0 / 4 ? std::floor(width * 4.0 / 3 + 0.5) : height;
  const double left = std::floor((width - w) / 2), top = std::floor((height - h) / 2);
  return {left, top, left + w, top + h};
}

ImageView mirror(const ImageView& image, ImageScratch& scratch) {
  const int channels = image.channels;
  uint8_t* target = scratch.allocate<uint8_t>(image.bytes());
  for (int64_t y = 0; y < image.height; ++y) {
    const uint8_t* pixel = image.row(y) + image.row_bytes() - channels;
    uint8_t* out = target + y * image.row_bytes();
    for (int x = 0; x < image.width; ++x, pixel -= channels, out += channels) {
      for (int c = 0; c < channels; ++c) out[c] = pixel[c];
    }
  }
  return {target, image.width, image.height, channels};
}

namespace {

/// The box to erase; empty if ten tries gave none.
Window draw_erased_box(int size, Random& random) {
  const double least_ratio = math::log(0.3), most_ratio = math::log(3.3);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = static_cast<double>(size) * size * random.uniform(0.02, 0.33);
    const double ratio = math::exp(random.uniform(least_ratio, most_ratio));
    const int height = static_cast<int>(std::floor(std::sqrt(area * ratio) + 0.5));
    const int width = static_cast<int>(std::floor(std::sqrt(area / ratio) + 0.5));
    if (height >= size || width >= size) continue;
    const int64_t top = random.below(static_cast<uint32_t>(size - height + 1));
    const int64_t left = random.below(static_cast<uint32_t>(size - width + 1));
    return {left, top, width, height};
  }
  return {0, 0, 0, 0};
}

}  // namespace

void erase_randomly(double probability, int channels, int size, Random random, real* image) {
  if (random.uniform() >= probability) return;
  const Window box = draw_erased_box(size, random);
  for (int c = 0; c < channels; ++c) {
    for (int64_t y = box.top; y < box.top + box.height; ++y) {
      real* row = image + (int64_t{c} * size + y) * size + box.left;
      for (int x = 0; x < box.width; ++x) row[x] = static_cast<real>(random.normal());
    }
  }
}

Mixing draw_mixing(const Augment& a, int size, Random random) {
  Mixing mixing;
  if (a.mixup <= 0 && a.cutmix <= 0) return mixing;
  const bool both = a.mixup > 0 && a.cutmix > 0;
  const bool cut = both ? random.below(2) == 1 : a.cutmix > 0;
  double lambda = random.beta(cut ? a.cutmix : a.mixup, cut ? a.cutmix : a.mixup);
  // Where alpha is tiny, both of Beta's Gamma draws can underflow to 0: it is then 0 or 1, one as often as
  // the other.
  if (std::isnan(lambda)) lambda = random.below(2);
  if (!cut) return {Mixing::Kind::mixup, lambda, {}};
  const int side = static_cast<int>(size * std::sqrt(1 - lambda));
  const int x = static_cast<int>(random.below(static_cast<uint32_t>(size)));
  const int y = static_cast<int>(random.below(static_cast<uint32_t>(size)));
  const int left = std::max(0, x - side / 2), right = std::min(size, x - side / 2 + side);
  const int top = std::max(0, y - side / 2), bottom = std::min(size, y - side / 2 + side);
  const double replaced = static_cast<double>(right - left) * (bottom - top);
  return {Mixing::Kind::cutmix,
          1 - replaced / (static_cast<double>(size) * size),
          {left, top, right - left, bottom - top}};
}

void mix_images(const Mixing& mixing, int channels, int size, const real* partner, real* image) {
  const int64_t plane = int64_t{size} * size;
  if (mixing.kind == Mixing::Kind::mixup) {
    const real keep = static_cast<real>(mixing.keep), rest = static_cast<real>(1 - mixing.keep);
    for (int64_t i = 0; i < channels * plane; ++i) image[i] = keep * image[i] + rest * partner[i];
  } else if (mixing.kind == Mixing::Kind::cutmix) {
    const Window& box = mixing.replaced;
    for (int c = 0; c < channels; ++c) {
      for (int64_t y = box.top; y < box.top + box.height; ++y) {
        const int64_t start = c * plane + y * size + box.left;
        std::copy_n(partner + start, box.width, image + start);
      }
    }
  }
}

void soft_target(const Mixing& mixing, int label, int partner_label, double smoothing, int classes,
                 real* target) {
  const double everywhere = smoothing / classes;
  for (int i = 0; i < classes; ++i) {
    double share = i == label ? mixing.keep : 0;
    if (i == partner_label) share += 1 - mixing.keep;
    target[i] = static_cast<real>((1 - smoothing) * share + everywhere);
  }
}

}  // namespace vmoe
