#include "data/convert.h"

#include <cstring>

namespace vmoe {

void compose_over_white(uint8_t* pixels, int64_t count, int channels) {
  const uint8_t* source = pixels;
  for (int64_t i = 0; i < count; ++i, source += channels) {
    const int alpha = source[channels - 1];
    for (int c = 0; c < channels - 1; ++c) {
      *pixels++ = static_cast<uint8_t>((source[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
}

ImageView make_upright(const ImageView& image, int orientation, ImageScratch& scratch) {
  if (orientation <= 1 || orientation > 8) return image;
  // Stored (row, column) means, for 1 to 8: top-left, top-right, bottom-right, bottom-left, and the same
  // transposed.
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  ImageView upright{nullptr, transposed ? image.height : image.width, transposed ? image.width : image.height,
                    image.channels};
  uint8_t* target = scratch.allocate<uint8_t>(image.bytes());
  upright.pixels = target;
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x, target += image.channels) {
      const int row = transposed ? x : y, column = transposed ? y : x;
      const uint8_t* source = image.row(from_bottom ? image.height - 1 - row : row) +
                              int64_t{from_right ? image.width - 1 - column : column} * image.channels;
      std::memcpy(target, source, image.channels);
    }
  }
  return upright;
}

ImageView to_channels(const ImageView& image, int channels, ImageScratch& scratch) {
  if (image.channels == channels) return image;
  const int64_t pixels = int64_t{image.width} * image.height;
  uint8_t* target = scratch.allocate<uint8_t>(pixels * channels);
  for (int64_t i = 0; i < pixels; ++i) {
    if (channels == 1) {
      target[i] = luma(image.pixels + 3 * i);
    } else {
      std::memset(target + 3 * i, image.pixels[i], 3);
    }
  }
  return {target, image.width, image.height, channels};
}

}  // namespace vmoe
