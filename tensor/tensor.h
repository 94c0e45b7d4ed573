#pragma once
// Shapes and views. A tensor is a cheap view (pointer and shape) on memory that an Arena or a ParameterStore
// owns; row-major and contiguous. Reshaping and slicing along the first dimension are free, everything else
// is a copy with a name.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "tensor/error.h"
#include "tensor/real.h"

namespace vmoe {

/// At most four dimensions, each >= 0; printed as [2, 3].
class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes);

  int rank() const { return rank_; }
  /// Size of dimension i; negative i counts from the end.
  int64_t operator[](int i) const { return sizes_[i < 0 ? rank_ + i : i]; }
  /// Product of all dimensions (1 for rank 0).
  int64_t count() const;
  /// Product of all dimensions but the last: the rows of a matrix (rank >= 1).
  int64_t rows() const;

  bool operator==(const Shape& other) const = default;

 private:
  int rank_ = 0;
  std::array<int64_t, kMaxRank> sizes_{};
};

std::string to_string(const Shape& shape);

/// Throws ShapeError naming `where` and both shapes unless they are equal.
void require_shape(const char* where, const Shape& got, const Shape& expected);

/// View of `shape.count()` numbers at `data`, owned by somebody else.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;

  int64_t count() const { return shape.count(); }
  int64_t dim(int i) const { return shape[i]; }
  T& operator[](int64_t i) const { return data[i]; }
  T* begin() const { return data; }
  T* end() const { return data + count(); }

  /// The same numbers under another shape of the same count.
  View reshape(const Shape& to) const {
    if (to.count() != count()) {
      throw ShapeError("reshape: " + to_string(shape) + " does not have as many numbers as " + to_string(to));
    }
    return {data, to};
  }

  /// Row i of the first dimension: shape without it (rank >= 2), or one number (rank 1).
  View row(int64_t i) const {
    const int64_t stride = shape[0] == 0 ? 0 : count() / shape[0];
    switch (shape.rank()) {
      case 2:
        return {data + i * stride, {shape[1]}};
      case 3:
        return {data + i * stride, {shape[1], shape[2]}};
      case 4:
        return {data + i * stride, {shape[1], shape[2], shape[3]}};
      default:
        return {data + i * stride, {}};
    }
  }
};

using Tensor = View<real>;

}  // namespace vmoe
