#pragma once
// From an image of any size to the numbers that a model takes. Written into the model file, so that training,
// evaluation and prediction see the same.

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/image.h"
#include "data/resize.h"
#include "tensor/real.h"

namespace vmoe {

class Dataset;
enum class Split;

/// Pixels a side that the model can ask for.
constexpr int kLargestImageSize = 4096;

struct Preprocess {
  int image_size = 0;                   // S: the model takes S x S pixels, 1 .. 4096
  int channels = 3;                     // C: 1 or 3
  std::string filter = "bicubic";       // or "bilinear"
  double crop_fraction = 1;             // of the resized image's shorter side that the crop keeps, 0.1 .. 1
  std::vector<double> mean, deviation;  // [C] of values in 0 .. 1; deviation > 0

  bool operator==(const Preprocess&) const = default;
};

/// Throws InputError ("WHERE: what is wrong") unless every field is in range.
void validate(const Preprocess& preprocess, const std::string& where);

nlohmann::json to_json(const Preprocess& preprocess);
/// Throws InputError naming the key if one is missing, unknown, of another type or out of range.
Preprocess preprocess_from_json(const nlohmann::ordered_json& json, const std::string& where);

/// Geometry of evaluation, as torchvision has it: the shorter side becomes floor(S / crop_fraction), the
/// longer one follows (rounded down), and the middle S x S pixels are kept.
struct EvaluationGeometry {
  int64_t full_width, full_height;
  Window window;
};
EvaluationGeometry evaluation_geometry(int width, int height, int size, double crop_fraction);

/// The image at the model's size and channels, still 8 bit. Pixels live in `scratch` or are the image's own.
ImageView fit_image(const ImageView& image, const Preprocess& preprocess, ImageScratch& scratch);

/// out [C, S, S] = (pixel / 255 - mean) / deviation, from an S x S image of C channels, optionally mirrored.
void normalise(const ImageView& image, const Preprocess& preprocess, bool flip, real* out);

/// fit_image, then normalise: what evaluation and prediction do. out [C, S, S].
void preprocess(const ImageView& image, const Preprocess& preprocess, ImageScratch& scratch, real* out);

/// Sets mean and deviation to those of the given images after fit_image, per channel: exact integer sums over
/// all of them, or over evenly spaced ones when there are more than 2^26 pixels. Deviations below 1/255
/// become 1 (a channel that is constant).
void measure_mean_deviation(const Dataset& dataset, Split split, const std::vector<int64_t>& indices,
                            Preprocess& preprocess);

}  // namespace vmoe
