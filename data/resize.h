#pragma once
// Resampling as Pillow's Image.resize does it, bit for bit: separable, horizontal pass first, the filter's
// support scaled by the reduction factor (so that shrinking does not alias), coefficients normalised for
// every output pixel and rounded to 22 fractional bits, the result rounded to 8 bit after each pass. Source:
// Pillow, src/libImaging/Resample.c.

#include <string>

#include "data/image.h"

namespace vmoe {

enum class ResizeFilter { bilinear, bicubic };  // bicubic: Keys 1981 with a = -0.5

/// "bilinear" or "bicubic"; throws InputError otherwise.
ResizeFilter parse_resize_filter(const std::string& name);

/// Part of an image, in pixels from the top left corner; edges may lie inside pixels.
struct Box {
  double left, top, right, bottom;
  static Box whole(const ImageView& image) {
    return {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  }
};

/// Which pixels of the full result are wanted.
struct Window {
  int64_t left, top;
  int width, height;
};

/// `box` of `source` scaled to full_width x full_height pixels, of which only those in `window` are computed:
/// equal to Image.resize((full_width, full_height), filter, box) followed by a crop. Near the box's edges the
/// filter reads pixels beside it. Pixels live in `scratch`; throws InputError when its budget is spent.
ImageView resize(const ImageView& source, const Box& box, int64_t full_width, int64_t full_height,
                 const Window& window, ResizeFilter filter, ImageScratch& scratch);

/// The whole image scaled to width x height.
ImageView resize(const ImageView& source, int width, int height, ResizeFilter filter, ImageScratch& scratch);

/// The pixels of `window`, which lies inside the image, copied out.
ImageView crop(const ImageView& source, const Window& window, ImageScratch& scratch);

}  // namespace vmoe
