#pragma once
// A confusion matrix as a picture.

#include <cstdint>
#include <span>
#include <vector>

#include "data/image.h"
#include "moe/super_classes.h"

namespace vmoe {

/// An image that owns its pixels.
struct Picture {
  std::vector<uint8_t> pixels;  // H x W x 3
  int width = 0, height = 0;

  ImageView view() const { return {pixels.data(), width, height, 3}; }
};

/// The confusion matrix with its classes in the order of their super-classes, in the order of the classes in
/// each. A square cell stands for a pair of classes: row true class, column prediction. White is none of the
/// row's images, the darkest blue all of them, between them by the square root of the share, so that a
/// confusion of 1 % shows. Grey lines part the super-classes; an orange frame is around the square of each,
/// where confusion goes to the right expert. A cell has 1 (from 640 classes on) to 40 pixels a side, as many
/// as keep the picture's side below some 1280 pixels. confusion [K, K], finite and >= 0, with the division's
/// K classes; ShapeError otherwise.
Picture draw_confusion(std::span<const double> confusion, const SuperClasses& division);

}  // namespace vmoe
