#pragma once
// Memory that tells on its users: poisoned before a call, guarded by canary words on both sides after it.

#include <cstring>
#include <vector>

#include "tensor/arena.h"

namespace vmoe::testing {

/// Every byte of poisoned memory. As a floating-point number it is NaN, as an index it is -1.
constexpr unsigned char kPoison = 0xFF;

/// A tensor between canaries. Starts as poison, or as a copy of given values.
class Guarded {
 public:
  explicit Guarded(const Shape& shape) : shape_(shape), memory_(shape.count() + 2 * kCanaries) {
    std::memset(memory_.data(), kPoison, memory_.size() * sizeof(real));
    for (int i = 0; i < kCanaries; ++i) memory_[i] = memory_[memory_.size() - 1 - i] = canary(i);
  }
  Guarded(const Shape& shape, const std::vector<real>& values) : Guarded(shape) {
    require_shape("Guarded", {static_cast<int64_t>(values.size())}, {shape.count()});
    std::copy(values.begin(), values.end(), memory_.begin() + kCanaries);
  }

  Tensor tensor() { return {memory_.data() + kCanaries, shape_}; }

  /// True if nobody wrote before or behind the tensor.
  bool intact() const {
    for (int i = 0; i < kCanaries; ++i) {
      if (memory_[i] != canary(i) || memory_[memory_.size() - 1 - i] != canary(i)) return false;
    }
    return true;
  }
  /// True if the tensor still holds exactly these bytes.
  bool holds(const std::vector<real>& values) const {
    return values.empty() ||
           std::memcmp(memory_.data() + kCanaries, values.data(), values.size() * sizeof(real)) == 0;
  }
  /// True if some number was never written.
  bool holds_poison() const {
    real poison;
    std::memset(&poison, kPoison, sizeof poison);
    for (size_t i = kCanaries; i + kCanaries < memory_.size(); ++i) {
      if (std::memcmp(&memory_[i], &poison, sizeof poison) == 0) return true;
    }
    return false;
  }

 private:
  static constexpr int kCanaries = 16;  // numbers: the widest vector of floats
  static real canary(int i) { return static_cast<real>(-7777 - i); }

  Shape shape_;
  std::vector<real> memory_;
};

/// Empties the arena and poisons the next `bytes` bytes that it hands out: an op that adds to memory it
/// should have written, or leaves a number out, ends in NaN.
inline void poison(Arena& arena, size_t bytes = size_t{1} << 18) {
  arena.reset();
  arena.reserve(bytes);
  std::memset(arena.allocate_bytes(bytes), kPoison, bytes);
  arena.reset();
}

/// True if the bytes between the end of a tensor and the next border of the (poisoned) arena are still
/// poison.
inline bool slack_is_poison(const Tensor& tensor) {
  const auto* end = reinterpret_cast<const unsigned char*>(tensor.end());
  for (const unsigned char* byte = end; reinterpret_cast<uintptr_t>(byte) % Arena::kAlignment != 0; ++byte) {
    if (*byte != kPoison) return false;
  }
  return true;
}

}  // namespace vmoe::testing
