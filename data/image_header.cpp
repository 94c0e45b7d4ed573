#include "data/image_header.h"

namespace vmoe {

std::string size_problem(int64_t width, int64_t height) {
  if (width == 0 || height == 0) return "the image has no pixels";
  if (width <= kMaxSide && height <= kMaxSide && width * height <= kMaxPixels) return "";
  return "the image claims " + std::to_string(width) + " x " + std::to_string(height) + " pixels; at most " +
         std::to_string(kMaxSide) + " a side and " + std::to_string(kMaxPixels >> 20) +
         " Mi in all are accepted";
}

}  // namespace vmoe
