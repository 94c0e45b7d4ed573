#include "tensor/tensor.h"

namespace vmoe {

Shape::Shape(std::initializer_list<int64_t> sizes) {
  if (sizes.size() > kMaxRank) throw ShapeError("a shape has at most 4 dimensions");
  for (const int64_t size : sizes) {
    if (size < 0) throw ShapeError("a dimension cannot be negative");
    sizes_[rank_++] = size;
  }
}

int64_t Shape::count() const {
  int64_t product = 1;
  for (int i = 0; i < rank_; ++i) product *= sizes_[i];
  return product;
}

int64_t Shape::rows() const {
  int64_t product = 1;
  for (int i = 0; i + 1 < rank_; ++i) product *= sizes_[i];
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void require_shape(const char* where, const Shape& got, const Shape& expected) {
  if (got == expected) return;
  throw ShapeError(std::string(where) + ": got shape " + to_string(got) + ", expected " +
                   to_string(expected));
}

}  // namespace vmoe
