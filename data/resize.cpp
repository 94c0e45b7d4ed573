#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tensor/error.h"

namespace vmoe {

namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8 for the pixel, 2 for overshoot

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1 ? 1 - x : 0;
}

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// For every output pixel of one axis: the input pixels it is made of, and their weights.
struct Taps {
  int most;      // weights stored for each output pixel
  int* first;    // [count] first input pixel
  int* size;     // [count] how many
  int* weights;  // [count, most] in units of 2^-kFractionBits
};

/// Taps of output pixels start .. start + count - 1 when [low, high) of `input_size` pixels becomes
/// `output_size`.
Taps make_taps(int input_size, double low, double high, int64_t output_size, int64_t start, int count,
               ResizeFilter filter, ImageScratch& scratch) {
  const double scale = (high - low) / static_cast<double>(output_size);
  const double stretch = std::max(scale, 1.0);
  const double support = (filter == ResizeFilter::bilinear ? 1.0 : 2.0) * stretch;
  Taps taps;
  taps.most = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.first = scratch.allocate<int>(count);
  taps.size = scratch.allocate<int>(count);
  taps.weights = scratch.allocate<int>(int64_t{count} * taps.most);
  double* exact = scratch.allocate<double>(taps.most);
  for (int i = 0; i < count; ++i) {
    const double centre = low + (static_cast<double>(start + i) + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int size = std::min(static_cast<int>(centre + support + 0.5), input_size) - first;
    double sum = 0;
    for (int j = 0; j < size; ++j) {
      const double x = (j + first - centre + 0.5) * (1 / stretch);
      exact[j] = filter == ResizeFilter::bilinear ? bilinear(x) : bicubic(x);
      sum += exact[j];
    }
    int* weights = taps.weights + int64_t{i} * taps.most;
    for (int j = 0; j < size; ++j) {
      const double fixed = (sum != 0 ? exact[j] / sum : exact[j]) * (1 << kFractionBits);
      weights[j] = static_cast<int>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    taps.first[i] = first;
    taps.size[i] = size;
  }
  return taps;
}

uint8_t to_byte(int sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

template <int C>
void horizontal_row(const uint8_t* source, const Taps& taps, int width, uint8_t* target) {
  for (int x = 0; x < width; ++x, target += C) {
    const int* weights = taps.weights + int64_t{x} * taps.most;
    const uint8_t* pixel = source + int64_t{taps.first[x]} * C;
    int sums[C];
    for (int c = 0; c < C; ++c) sums[c] = 1 << (kFractionBits - 1);
    for (int j = 0; j < taps.size[x]; ++j, pixel += C) {
      for (int c = 0; c < C; ++c) sums[c] += pixel[c] * weights[j];
    }
    for (int c = 0; c < C; ++c) target[c] = to_byte(sums[c]);
  }
}

/// Rows first_row .. of `source`, each `width` pixels wide by the taps.
void horizontal_pass(const ImageView& source, int first_row, int rows, const Taps& taps, int width,
                     uint8_t* target) {
  for (int y = 0; y < rows; ++y, target += int64_t{width} * source.channels) {
    if (source.channels == 1) {
      horizontal_row<1>(source.row(first_row + y), taps, width, target);
    } else {
      horizontal_row<3>(source.row(first_row + y), taps, width, target);
    }
  }
}

/// `rows` of `row_bytes` each; row 0 is the input's row `first_row`.
void vertical_pass(const uint8_t* rows, int64_t row_bytes, int first_row, const Taps& taps, int height,
                   int* sums, uint8_t* target) {
  for (int y = 0; y < height; ++y, target += row_bytes) {
    std::fill_n(sums, row_bytes, 1 << (kFractionBits - 1));
    for (int j = 0; j < taps.size[y]; ++j) {
      const int weight = taps.weights[int64_t{y} * taps.most + j];
      const uint8_t* row = rows + (taps.first[y] + j - first_row) * row_bytes;
      for (int64_t i = 0; i < row_bytes; ++i) sums[i] += row[i] * weight;
    }
    for (int64_t i = 0; i < row_bytes; ++i) target[i] = to_byte(sums[i]);
  }
}

bool is_copy(double low, double high, int64_t output_size) {
  return high - low == static_cast<double>(output_size) && low == std::floor(low);
}

}  // namespace

ResizeFilter parse_resize_filter(const std::string& name) {
  if (name == "bilinear") return ResizeFilter::bilinear;
  if (name == "bicubic") return ResizeFilter::bicubic;
  throw InputError("unknown resize filter '" + name + "'; bilinear and bicubic exist");
}

ImageView resize(const ImageView& source, const Box& box, int64_t full_width, int64_t full_height,
                 const Window& window, ResizeFilter filter, ImageScratch& scratch) {
  if (is_copy(box.left, box.right, full_width) && is_copy(box.top, box.bottom, full_height)) {
    return crop(source,
                {static_cast<int64_t>(box.left) + window.left, static_cast<int64_t>(box.top) + window.top,
                 window.width, window.height},
                scratch);
  }
  const int64_t row_bytes = int64_t{window.width} * source.channels;
  uint8_t* result = scratch.allocate<uint8_t>(row_bytes * window.height);
  ImageScratch::Frame frame(scratch);
  const Taps across =
      make_taps(source.width, box.left, box.right, full_width, window.left, window.width, filter, scratch);
  const Taps down =
      make_taps(source.height, box.top, box.bottom, full_height, window.top, window.height, filter, scratch);
  const int first_row = down.first[0], last = window.height - 1;
  const int rows = down.first[last] + down.size[last] - first_row;
  uint8_t* between = scratch.allocate<uint8_t>(row_bytes * rows);
  horizontal_pass(source, first_row, rows, across, window.width, between);
  vertical_pass(between, row_bytes, first_row, down, window.height, scratch.allocate<int>(row_bytes), result);
  return {result, window.width, window.height, source.channels};
}

ImageView resize(const ImageView& source, int width, int height, ResizeFilter filter, ImageScratch& scratch) {
  return resize(source, Box::whole(source), width, height, {0, 0, width, height}, filter, scratch);
}

ImageView crop(const ImageView& source, const Window& window, ImageScratch& scratch) {
  if (window.width == source.width && window.height == source.height) return source;
  const int64_t row_bytes = int64_t{window.width} * source.channels;
  uint8_t* target = scratch.allocate<uint8_t>(row_bytes * window.height);
  for (int y = 0; y < window.height; ++y) {
    std::memcpy(target + y * row_bytes, source.row(window.top + y) + window.left * source.channels,
                row_bytes);
  }
  return {target, window.width, window.height, source.channels};
}

}  // namespace vmoe
