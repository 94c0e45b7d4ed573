#include "data/rand_augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "data/convert.h"
#include "tensor/math.h"

namespace vmoe {

namespace {

// --- Where pixels come from ------------------------------------------------------------------------------

/// The place in the image that the result at (x, y) shows: (a x + b y + c, d x + e y + f), pixels' centres at
/// .5.
struct Affine {
  double a, b, c, d, e, f;
};

Affine shear_x(double slope) {
  return {1, slope, 0, 0, 1, 0};
}
Affine shear_y(double slope) {
  return {1, 0, 0, slope, 1, 0};
}
Affine translate(double right, double down) {
  return {1, 0, -right, 0, 1, -down};
}
/// Around the middle of the image.
Affine rotate(double degrees, int width, int height) {
  const double angle = degrees * math::kPi / 180, cos = math::cos(angle), sin = math::sin(angle);
  const double x = width / 2.0, y = height / 2.0;
  return {cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y};
}

int64_t fixed_point(double v) {
  return static_cast<int64_t>(std::floor(v * 65536 + 0.5));
}

/// Nearest neighbour in steps of 2^-16 pixel, as Pillow has it.
template <int kChannels>
void move_pixels(const Affine& m, const ImageView& image, uint8_t* out) {
  constexpr uint8_t kBlack[kChannels] = {};
  const int64_t x_step = fixed_point(m.a), y_step = fixed_point(m.d);
  int64_t row_x = fixed_point(m.c + m.a * 0.5 + m.b * 0.5), row_y = fixed_point(m.f + m.d * 0.5 + m.e * 0.5);
  for (int y = 0; y < image.height; ++y, row_x += fixed_point(m.b), row_y += fixed_point(m.e)) {
    int64_t from_x = row_x, from_y = row_y;
    for (int x = 0; x < image.width; ++x, from_x += x_step, from_y += y_step, out += kChannels) {
      const auto column = static_cast<uint64_t>(from_x >> 16), row = static_cast<uint64_t>(from_y >> 16);
      const bool inside =
          column < static_cast<uint64_t>(image.width) && row < static_cast<uint64_t>(image.height);
      const uint8_t* pixel = inside ? image.row(static_cast<int64_t>(row)) + column * kChannels : kBlack;
      for (int c = 0; c < kChannels; ++c) out[c] = pixel[c];
    }
  }
}

void move_pixels(const Affine& m, const ImageView& image, uint8_t* out) {
  image.channels == 1 ? move_pixels<1>(m, image, out) : move_pixels<3>(m, image, out);
}

// --- What values become ----------------------------------------------------------------------------------

using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int, 256>;

/// `factor` times as far from `from` as `to` is, cut to whole numbers from 0 to 255: Pillow's blend.
uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

template <class Function>
Table table_of(Function&& value) {
  Table table;
  for (int i = 0; i < 256; ++i) table[static_cast<size_t>(i)] = static_cast<uint8_t>(value(i));
  return table;
}

Histogram histogram_of(const ImageView& image, int channel) {
  Histogram histogram{};
  for (int64_t i = channel; i < image.bytes(); i += image.channels) ++histogram[image.pixels[i]];
  return histogram;
}

/// The channel's least value becomes 0, its largest 255.
Table auto_contrast(const Histogram& histogram) {
  int low = 0, high = 255;
  while (low < high && histogram[static_cast<size_t>(low)] == 0) ++low;
  while (high > low && histogram[static_cast<size_t>(high)] == 0) --high;
  if (high == low) return table_of([](int i) { return i; });
  const double scale = 255.0 / (high - low), offset = -low * scale;
  return table_of([&](int i) { return std::clamp(i * scale + offset, 0.0, 255.0); });
}

/// Each value becomes its rank: how many of the channel's pixels are less, as a share of 255.
Table equalize(const Histogram& histogram) {
  const int pixels = std::accumulate(histogram.begin(), histogram.end(), 0);
  int last = 255;
  while (last > 0 && histogram[static_cast<size_t>(last)] == 0) --last;
  const int step = (pixels - histogram[static_cast<size_t>(last)]) / 255;
  if (step == 0) return table_of([](int i) { return i; });  // one value only, or too few pixels
  int less = step / 2;
  return table_of([&](int i) {
    const int rank = less / step;
    less += histogram[static_cast<size_t>(i)];
    return std::min(rank, 255);
  });
}

/// out = table[image], one table for all channels or one for each.
void look_up(const Table* tables, int count, const ImageView& image, uint8_t* out) {
  if (count == 1 || image.channels == 1) {
    for (int64_t i = 0; i < image.bytes(); ++i) out[i] = tables[0][image.pixels[i]];
    return;
  }
  for (int64_t i = 0; i < image.bytes(); i += 3) {
    for (int c = 0; c < 3; ++c) out[i + c] = tables[c][image.pixels[i + c]];
  }
}

void look_up(const Table& table, const ImageView& image, uint8_t* out) {
  look_up(&table, 1, image, out);
}

void look_up_channels(Table (*table)(const Histogram&), const ImageView& image, uint8_t* out) {
  Table tables[3];
  for (int c = 0; c < image.channels; ++c) tables[c] = table(histogram_of(image, c));
  look_up(tables, image.channels, image, out);
}

int mean_luma(const ImageView& image) {
  const int64_t pixels = int64_t{image.width} * image.height;
  int64_t sum = 0;
  for (int64_t i = 0; i < pixels; ++i)
    sum += image.channels == 1 ? image.pixels[i] : luma(image.pixels + 3 * i);
  return static_cast<int>(static_cast<double>(sum) / static_cast<double>(pixels) + 0.5);
}

// --- What depends on more than one value -------------------------------------------------------------------

void color(float factor, const ImageView& image, uint8_t* out) {
  if (image.channels == 1) {
    std::memcpy(out, image.pixels, static_cast<size_t>(image.bytes()));
    return;
  }
  for (int64_t i = 0; i < image.bytes(); i += 3) {
    const int grey = luma(image.pixels + i);
    for (int c = 0; c < 3; ++c) out[i + c] = blend(grey, image.pixels[i + c], factor);
  }
}

/// Away from the smoothed image, whose pixels are the mean of their 3 x 3 neighbours, the middle one five
/// times. The outermost pixels stay.
void sharpness(float factor, const ImageView& image, uint8_t* out) {
  std::memcpy(out, image.pixels, static_cast<size_t>(image.bytes()));
  const int64_t right = image.channels, down = image.row_bytes();
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    const uint8_t* row = image.row(y);
    for (int64_t i = right; i < down - right; ++i) {
      const uint8_t* p = row + i;
      const int sum = p[-down - right] + p[-down] + p[-down + right] + p[-right] + 5 * p[0] + p[right] +
                      p[down - right] + p[down] + p[down + right];
      out[y * down + i] = blend((2 * sum + 13) / 26, p[0], factor);
    }
  }
}

/// torch.linspace(0, end, 31)[bin]: from the nearer end.
float linspace(float end, int bin) {
  const float step = end / (kMagnitudeBins - 1);
  return bin < kMagnitudeBins / 2 ? step * static_cast<float>(bin)
                                  : end - step * static_cast<float>(kMagnitudeBins - 1 - bin);
}

}  // namespace

float magnitude_of(AugmentOp op, int bin, int size) {
  switch (op) {
    case AugmentOp::shear_x:
    case AugmentOp::shear_y:
      return linspace(0.3f, bin);
    case AugmentOp::translate_x:
    case AugmentOp::translate_y:
      return linspace(static_cast<float>(150.0 / 331 * size), bin);
    case AugmentOp::rotate:
      return linspace(30, bin);
    case AugmentOp::brightness:
    case AugmentOp::color:
    case AugmentOp::contrast:
    case AugmentOp::sharpness:
      return linspace(0.9f, bin);
    case AugmentOp::posterize:
      return 8 - std::floor(static_cast<float>(bin) / 7.5f + 0.5f);
    case AugmentOp::solarize:
      return 255 - linspace(255, bin);
    case AugmentOp::identity:
    case AugmentOp::auto_contrast:
    case AugmentOp::equalize:
      break;
  }
  return 0;
}

bool is_signed(AugmentOp op) {
  return op >= AugmentOp::shear_x && op <= AugmentOp::sharpness;
}

void apply_op(AugmentOp op, float magnitude, const ImageView& image, uint8_t* out) {
  const float factor = 1 + magnitude;
  switch (op) {
    case AugmentOp::identity:
      std::memcpy(out, image.pixels, static_cast<size_t>(image.bytes()));
      return;
    case AugmentOp::shear_x:
      return move_pixels(shear_x(magnitude), image, out);
    case AugmentOp::shear_y:
      return move_pixels(shear_y(magnitude), image, out);
    case AugmentOp::translate_x:
      return move_pixels(translate(std::trunc(magnitude), 0), image, out);
    case AugmentOp::translate_y:
      return move_pixels(translate(0, std::trunc(magnitude)), image, out);
    case AugmentOp::rotate:
      return move_pixels(rotate(magnitude, image.width, image.height), image, out);
    case AugmentOp::brightness:
      return look_up(table_of([&](int i) { return blend(0, i, factor); }), image, out);
    case AugmentOp::color:
      return color(factor, image, out);
    case AugmentOp::contrast:
      return look_up(table_of([&, mean = mean_luma(image)](int i) { return blend(mean, i, factor); }), image,
                     out);
    case AugmentOp::sharpness:
      return sharpness(factor, image, out);
    case AugmentOp::posterize:
      return look_up(table_of([keep = 0xFF << (8 - static_cast<int>(magnitude))](int i) { return i & keep; }),
                     image, out);
    case AugmentOp::solarize:
      return look_up(table_of([&](int i) { return static_cast<float>(i) < magnitude ? i : 255 - i; }), image,
                     out);
    case AugmentOp::auto_contrast:
      return look_up_channels(auto_contrast, image, out);
    case AugmentOp::equalize:
      return look_up_channels(equalize, image, out);
  }
}

ImageView rand_augment(const ImageView& image, int ops, int bin, Random random, ImageScratch& scratch) {
  uint8_t* results[2] = {scratch.allocate<uint8_t>(image.bytes()), scratch.allocate<uint8_t>(image.bytes())};
  ImageView current = image;
  for (int i = 0, changes = 0; i < ops; ++i) {
    const auto op = static_cast<AugmentOp>(random.below(kAugmentOps));
    const bool negative = is_signed(op) && random.below(2) == 1;
    if (op == AugmentOp::identity) continue;
    const float magnitude = magnitude_of(op, bin, image.width);
    uint8_t* out = results[changes++ % 2];
    apply_op(op, negative ? -magnitude : magnitude, current, out);
    current.pixels = out;
  }
  return current;
}

}  // namespace vmoe
