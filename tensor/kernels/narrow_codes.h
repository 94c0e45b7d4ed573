#pragma once
// How one number becomes a code: what plain_narrow.cpp and the vector files have in common. Internal to each
// file that includes it, so that no code of a wider set can leak into the rest of the program.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vmoe {
namespace {

/// The bits of |x|: they are ordered as |x| is, infinities above all numbers and NaN above infinities, so a
/// maximum of them finds the largest number and loses no NaN.
inline int32_t magnitude_bits(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffff;
}

/// x = step * code, code = round(inverse * x), for numbers up to the one of `most` magnitude bits.
struct Step {
  float step, inverse;
};

inline Step step_of(int32_t most) {
  float largest;
  std::memcpy(&largest, &most, sizeof largest);
  if (most >= 0x7f800000) return {__builtin_nanf(""), 0};
  if (largest < 1e-30f) return {0, 0};  // so that the inverse stays finite
  return {largest / 127, 127 / largest};
}

/// Adding it rounds a number below 2^22 to the nearest whole one, ties to even; the low bits of the sum are
/// then this number.
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

/// The code of x; any byte if x is not finite (its step is NaN then).
inline int8_t int8_code(float x, float inverse) {
  const float shifted = x * inverse + kRounder;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return static_cast<int8_t>(bits);
}

/// bfloat16: the upper half of an fp32, rounded to nearest, ties to even. Denormals become zero of their
/// sign, a NaN stays one.
inline uint16_t bf16_code(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);
  if (magnitude < 0x00800000u) return static_cast<uint16_t>(bits >> 16 & 0x8000);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float bf16_value(uint16_t code) {
  const uint32_t bits = uint32_t{code} << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Numbers inside a block of bytes.
template <class T>
inline T get(const std::byte* at, int64_t index) {
  T value;
  std::memcpy(&value, at + index * static_cast<int64_t>(sizeof(T)), sizeof value);
  return value;
}
template <class T>
inline void put(std::byte* at, int64_t index, T value) {
  std::memcpy(at + index * static_cast<int64_t>(sizeof(T)), &value, sizeof value);
}

}  // namespace
}  // namespace vmoe
