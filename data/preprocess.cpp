#include "data/preprocess.h"

#include <algorithm>
#include <cmath>

#include "data/convert.h"
#include "data/dataset.h"
#include "tensor/json_fields.h"

namespace vmoe {

namespace {

constexpr int64_t kMeasuredPixels = int64_t{1} << 26;

[[noreturn]] void wrong(const std::string& where, const std::string& what) {
  throw InputError(where + ": preprocessing: " + what);
}

// Python's round(difference / 2): ties to even, as torchvision's centre crop has it.
int64_t half_to_even(int64_t difference) {
  return difference / 2 + (difference % 4 == 3 ? 1 : 0);
}

}  // namespace

void validate(const Preprocess& p, const std::string& where) {
  if (p.image_size < 1 || p.image_size > kLargestImageSize) wrong(where, "image_size must be 1 to 4096");
  if (p.channels != 1 && p.channels != 3) wrong(where, "channels must be 1 or 3");
  if (p.filter != "bilinear" && p.filter != "bicubic") wrong(where, "filter must be bilinear or bicubic");
  if (!(p.crop_fraction >= 0.1 && p.crop_fraction <= 1)) wrong(where, "crop_fraction must be 0.1 to 1");
  const size_t channels = static_cast<size_t>(p.channels);
  if (p.mean.size() != channels || p.deviation.size() != channels) {
    wrong(where, "mean and deviation must have one number a channel");
  }
  for (size_t c = 0; c < channels; ++c) {
    if (!(std::fabs(p.mean[c]) <= 100)) wrong(where, "mean must be a number between -100 and 100");
    if (!(p.deviation[c] >= 1e-6 && p.deviation[c] <= 1e6)) wrong(where, "deviation must be 1e-6 to 1e6");
  }
}

nlohmann::json to_json(const Preprocess& p) {
  return {{"image_size", p.image_size},       {"channels", p.channels}, {"filter", p.filter},
          {"crop_fraction", p.crop_fraction}, {"mean", p.mean},         {"deviation", p.deviation}};
}

Preprocess preprocess_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  const std::string place = where + ": preprocessing";
  JsonFields fields(json, place);
  Preprocess p;
  fields.read("image_size", p.image_size);
  fields.read("channels", p.channels);
  fields.read("filter", p.filter);
  fields.read("crop_fraction", p.crop_fraction);
  fields.read("mean", p.mean);
  fields.read("deviation", p.deviation);
  fields.finish();
  validate(p, where);
  return p;
}

EvaluationGeometry evaluation_geometry(int width, int height, int size, double crop_fraction) {
  const int64_t shorter = std::max<int64_t>(size, static_cast<int64_t>(size / crop_fraction));
  EvaluationGeometry g;
  g.full_width = width <= height ? shorter : shorter * width / height;
  g.full_height = width <= height ? shorter * height / width : shorter;
  g.window = {half_to_even(g.full_width - size), half_to_even(g.full_height - size), size, size};
  return g;
}

ImageView fit_image(const ImageView& image, const Preprocess& p, ImageScratch& scratch) {
  const EvaluationGeometry g = evaluation_geometry(image.width, image.height, p.image_size, p.crop_fraction);
  const ImageView resized = resize(image, Box::whole(image), g.full_width, g.full_height, g.window,
                                   parse_resize_filter(p.filter), scratch);
  return to_channels(resized, p.channels, scratch);
}

void normalise(const ImageView& image, const Preprocess& p, bool flip, real* out) {
  for (int c = 0; c < image.channels; ++c) {
    const real scale = static_cast<real>(1 / (255 * p.deviation[c]));
    const real shift = static_cast<real>(-p.mean[c] / p.deviation[c]);
    for (int y = 0; y < image.height; ++y) {
      const uint8_t* pixel = image.row(y) + c + (flip ? int64_t{image.width - 1} * image.channels : 0);
      const int step = flip ? -image.channels : image.channels;
      for (int x = 0; x < image.width; ++x, pixel += step) *out++ = static_cast<real>(*pixel) * scale + shift;
    }
  }
}

void preprocess(const ImageView& image, const Preprocess& p, ImageScratch& scratch, real* out) {
  ImageScratch::Frame frame(scratch);
  normalise(fit_image(image, p, scratch), p, false, out);
}

void measure_mean_deviation(const Dataset& dataset, Split split, const std::vector<int64_t>& indices,
                            Preprocess& p) {
  const int64_t pixels = int64_t{p.image_size} * p.image_size, images = static_cast<int64_t>(indices.size());
  const int64_t measured = std::min(images, std::max<int64_t>(1, kMeasuredPixels / pixels));
  std::vector<uint64_t> sum(p.channels), squares(p.channels);
  ImageScratch scratch;
  for (int64_t i = 0; i < measured; ++i) {
    ImageScratch::Frame frame(scratch);
    const int64_t index = indices[i * images / measured];
    const ImageView image =
        naming_image([&] { return dataset.name(split, index); },
                     [&] { return fit_image(dataset.image(split, index, scratch), p, scratch); });
    for (int64_t j = 0; j < image.bytes(); ++j) {
      const uint64_t value = image.pixels[j];
      sum[j % p.channels] += value;
      squares[j % p.channels] += value * value;
    }
  }
  const double count = static_cast<double>(std::max<int64_t>(1, measured * pixels));
  p.mean.assign(p.channels, 0.5);
  p.deviation.assign(p.channels, 1);
  for (int c = 0; c < p.channels && measured > 0; ++c) {
    const double mean = static_cast<double>(sum[c]) / count;
    const double deviation = std::sqrt(std::max(0.0, static_cast<double>(squares[c]) / count - mean * mean));
    p.mean[c] = mean / 255;
    p.deviation[c] = deviation < 1 ? 1 : deviation / 255;
  }
}

}  // namespace vmoe
