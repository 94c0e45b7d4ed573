#pragma once
// Pixels to pixels: transparency, orientation, grey and colour.

#include "data/image.h"

namespace vmoe {

/// Puts the image on white and drops the alpha channel, in place: out = (c * a + 255 * (255 - a)) / 255,
/// rounded. `channels` is the colour channels and alpha: 2 or 4.
void compose_over_white(uint8_t* pixels, int64_t count, int channels);

/// The upright image of a picture stored with EXIF orientation 1 .. 8 (1: the image itself, nothing is
/// copied).
ImageView make_upright(const ImageView& image, int orientation, ImageScratch& scratch);

/// ITU-R 601 luma as Pillow computes it: L = (19595 R + 38470 G + 7471 B + 32768) >> 16.
inline uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

/// The image with 1 or 3 channels: grey by luma, RGB by repetition. Itself if it has them already.
ImageView to_channels(const ImageView& image, int channels, ImageScratch& scratch);

}  // namespace vmoe
