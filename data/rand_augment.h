#pragma once
// RandAugment (Cubuk, Zoph, Shlens and Le 2020, arXiv:1909.13719): a few ops drawn at random change the 8 bit
// image, all at one strength. Ops, ranges and pixels are those of torchvision's RandAugment on Pillow images:
// nearest neighbour, black beside the image.

#include "data/image.h"
#include "tensor/random.h"

namespace vmoe {

enum class AugmentOp {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  auto_contrast,
  equalize,
};
constexpr int kAugmentOps = 14;
constexpr int kMagnitudeBins = 31;

/// How strong an op is at magnitude `bin` (0 .. 30) on images of S x S pixels:
///   shear_x, shear_y            0 .. 0.3           pixels that one row (column) is shifted against the next
///   translate_x, translate_y    0 .. 150/331 S     pixels; the fraction is dropped
///   rotate                      0 .. 30            degrees, against the clock
///   brightness, color, contrast, sharpness  0 .. 0.9   less or more than 1, the image's own
///   posterize                   8 .. 4             bits kept
///   solarize                    255 .. 0           values from here on are inverted
///   identity, auto_contrast, equalize       0      have no strength
/// Bin 0 changes nothing, but for the last two ops, and solarize, which inverts 255.
float magnitude_of(AugmentOp op, int bin, int size);

/// Whether the op is applied with the magnitude's negative one time in two: shear, translate, rotate, and the
/// four around 1.
bool is_signed(AugmentOp op);

/// out = op(image), both H x W x C; they must not overlap. On grey images color changes nothing.
void apply_op(AugmentOp op, float magnitude, const ImageView& image, uint8_t* out);

/// `ops` ops one after the other, each drawn with its sign from `random`, at magnitude `bin`. The image is
/// S x S; the result lives in `scratch` (two images), or is the image itself where only identity was drawn.
ImageView rand_augment(const ImageView& image, int ops, int bin, Random random, ImageScratch& scratch);

}  // namespace vmoe
