#pragma once
// The fixed-width vector type of one instruction set, and the elementary functions on it. Included only by
// files that are compiled for one set each (vector.cpp once for every one); everything is internal to them,
// so that no code of a wider set can leak into the rest of the program.

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace vmoe {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
constexpr int kWidth = kVectorBytes / 4;  // numbers in a vector

// Not std::min: a template of the library would be compiled here for a wide set and might serve other files.
inline int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

using Vec = float __attribute__((vector_size(kVectorBytes)));
using Bits = uint32_t __attribute__((vector_size(kVectorBytes)));
using Quad = float __attribute__((vector_size(16)));
using Octet = float __attribute__((vector_size(32)));

inline Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline void store(float* p, Vec v) {
  std::memcpy(p, &v, sizeof v);
}

inline Vec splat(float x) {
  return x - Vec{};
}

// The first `count` <= kWidth numbers, the rest zero. Compilers have no portable masked move; copying by a
// length that varies costs a call.
#if defined(__AVX512F__)
inline Vec load_part(const float* p, int64_t count) {
  return reinterpret_cast<Vec>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
}

inline void store_part(float* p, Vec v, int64_t count) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), reinterpret_cast<__m512>(v));
}
#elif defined(__AVX2__)
inline __m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec load_part(const float* p, int64_t count) {
  return reinterpret_cast<Vec>(_mm256_maskload_ps(p, first_lanes(count)));
}

inline void store_part(float* p, Vec v, int64_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), reinterpret_cast<__m256>(v));
}
#else
inline Vec load_part(const float* p, int64_t count) {
  Vec v{};
  for (int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}

inline void store_part(float* p, Vec v, int64_t count) {
  for (int i = 0; i < count; ++i) p[i] = v[i];
}
#endif

// The numbers 0, 1, 2 ... of the lanes.
inline Bits lane_numbers() {
  Bits v{};
  for (int i = 0; i < kWidth; ++i) v[i] = i;
  return v;
}

// The first `count` lanes of v, zeros in the rest.
inline Vec first_of(Vec v, int64_t count) {
  return lane_numbers() < static_cast<uint32_t>(count) ? v : Vec{};
}

// The first `count` < kWidth numbers at p, and lanes of `rest`.
inline Vec load_part_or(Vec rest, const float* p, int64_t count) {
  return lane_numbers() < static_cast<uint32_t>(count) ? load_part(p, count) : rest;
}

// Each four lanes of a vector from another place, `step` numbers after the last.
inline Quad load_quad(const float* p) {
  Quad v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

#if defined(__AVX512F__)
inline Vec load_quads(const float* p, int64_t step) {
  const Octet low = __builtin_shufflevector(load_quad(p), load_quad(p + step), 0, 1, 2, 3, 4, 5, 6, 7);
  const Octet high =
      __builtin_shufflevector(load_quad(p + 2 * step), load_quad(p + 3 * step), 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#elif defined(__AVX2__)
inline Vec load_quads(const float* p, int64_t step) {
  return __builtin_shufflevector(load_quad(p), load_quad(p + step), 0, 1, 2, 3, 4, 5, 6, 7);
}
#else
inline Vec load_quads(const float* p, int64_t) {
  return load(p);
}
#endif

// Shuffles within each four lanes of v and w: VMOE_SHUFFLE_QUADS(v, w, a, b, c, d) takes lanes a, b, c, d of
// each four, those of w being counted from kWidth on.
#define VMOE_QUAD(a, b, c, d, q) (a) + 4 * (q), (b) + 4 * (q), (c) + 4 * (q), (d) + 4 * (q)
#if defined(__AVX512F__)
#define VMOE_SHUFFLE_QUADS(v, w, a, b, c, d)                                        \
  __builtin_shufflevector(v, w, VMOE_QUAD(a, b, c, d, 0), VMOE_QUAD(a, b, c, d, 1), \
                          VMOE_QUAD(a, b, c, d, 2), VMOE_QUAD(a, b, c, d, 3))
#elif defined(__AVX2__)
#define VMOE_SHUFFLE_QUADS(v, w, a, b, c, d) \
  __builtin_shufflevector(v, w, VMOE_QUAD(a, b, c, d, 0), VMOE_QUAD(a, b, c, d, 1))
#else
#define VMOE_SHUFFLE_QUADS(v, w, a, b, c, d) __builtin_shufflevector(v, w, VMOE_QUAD(a, b, c, d, 0))
#endif

// Folds a vector to one number: halves are combined until one is left, always in this order.
template <class Combine>
inline float fold(Quad v, const Combine& combine) {
  return combine(combine(v[0], v[2]), combine(v[1], v[3]));
}

#if defined(__AVX2__)
template <class Combine>
inline float fold(Octet v, const Combine& combine) {
  Quad halves[2];
  std::memcpy(halves, &v, sizeof v);
  return fold(combine(halves[0], halves[1]), combine);
}
#endif

#if defined(__AVX512F__)
template <class Combine>
inline float fold(Vec v, const Combine& combine) {
  Octet halves[2];
  std::memcpy(halves, &v, sizeof v);
  return fold(combine(halves[0], halves[1]), combine);
}
#endif

inline float sum(Vec v) {
  return fold(v, [](auto a, auto b) { return a + b; });
}

inline float largest(Vec v) {
  return fold(v, [](auto a, auto b) { return a > b ? a : b; });
}

// a > b ? a : b and a < b ? a : b, so b where one is a NaN: the instructions mean exactly that, but compilers
// make two of it.
#if defined(__AVX512F__)
inline Vec max(Vec a, Vec b) {
  return reinterpret_cast<Vec>(
      _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
}
inline Vec min(Vec a, Vec b) {
  return reinterpret_cast<Vec>(
      _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
}
#elif defined(__AVX2__)
inline Vec max(Vec a, Vec b) {
  return reinterpret_cast<Vec>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
}
inline Vec min(Vec a, Vec b) {
  return reinterpret_cast<Vec>(_mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
}
#else
inline Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}
inline Vec min(Vec a, Vec b) {
  return a < b ? a : b;
}
#endif

inline Vec absolute(Vec x) {
  const Bits bits = reinterpret_cast<Bits>(x) & 0x7fffffffu;
  return reinterpret_cast<Vec>(bits);
}

// |x| with the sign of s.
inline Vec with_sign(Vec x, Vec s) {
  const Bits sign = reinterpret_cast<Bits>(s) & 0x80000000u;
  return reinterpret_cast<Vec>(reinterpret_cast<Bits>(absolute(x)) | sign);
}

// e^x for x from -87 to 88, or NaN, which stays: x = k ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial (of
// least relative error, 3e-9), times 2^k, whose bits are made from those of k + 1.5 * 2^23. At most 2 ulp
// from the exact value.
inline Vec exp_within(Vec x) {
  const Vec rounder = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to the nearest whole number
  const Vec shifted = x * 1.44269504f + rounder;
  const Vec k = shifted - rounder;
  const Vec r = (x - k * 0.693359375f) - k * -2.12194440e-4f;
  Vec p = r * 1.3814599e-3f + 8.3687166e-3f;
  p = p * r + 4.1668389e-2f;
  p = p * r + 1.6666521e-1f;
  p = p * r + 4.9999994e-1f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const Bits power = (reinterpret_cast<Bits>(shifted) << 23) + 0x3f800000u;
  return p * reinterpret_cast<Vec>(power);
}

// e^x for any x: 0 below -87, e^88 above 88.
inline Vec exp(Vec x) {
  return x < splat(-87.0f) ? Vec{} : exp_within(min(splat(88.0f), x));
}

// e^x for x <= 0, no less than e^-87.
inline Vec exp_of_negative(Vec x) {
  return exp_within(max(splat(-87.0f), x));
}

// Phi(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution function, without e^x and division: 1/2 + x
// p(x^2), the polynomial fitted to |x| <= 5.4 in s = 2 x^2 / 5.4^2 - 1. Within 1.3e-7 of the exact value,
// which is 3 ulp for x >= 0; below, digits cancel, but not in x Phi(x), which GELU takes it for: that is
// within 8e-7. Beyond 5.4 the polynomial keeps its last value, and the result is bounded: 0 below -5.4, where
// x Phi(x) is -2e-7. NaN stays NaN.
inline Vec normal_cdf(Vec x) {
  const Vec s = min(splat(1.0f), x * x * (2.0f / (5.4f * 5.4f)) - 1.0f);
  Vec p = s * 3.708256787e-04f + -1.011825787e-03f;
  p = p * s + 9.416419917e-04f;
  p = p * s + -1.234141026e-03f;
  p = p * s + 3.580768837e-03f;
  p = p * s + -6.662927857e-03f;
  p = p * s + 9.695772164e-03f;
  p = p * s + -1.399060214e-02f;
  p = p * s + 1.963238695e-02f;
  p = p * s + -2.573965558e-02f;
  p = p * s + 3.211828396e-02f;
  p = p * s + -3.920752672e-02f;
  p = p * s + 4.849951081e-02f;
  p = p * s + -6.532803396e-02f;
  p = p * s + 1.309281132e-01f;
  return min(splat(1.0f), max(Vec{}, x * p + 0.5f));
}

// tanh x, at most 3 ulp from the exact value: by e^(-2|x|), near 0 (where that cancels) by its series.
inline Vec tanh(Vec x) {
  const Vec a = absolute(x), t = exp(-2.0f * a), square = x * x;
  const Vec far = with_sign((1.0f - t) / (1.0f + t), x);
  const Vec near = x * (1.0f - square * (0.33333333f - square * (0.13333333f - square * 0.053968254f)));
  const Vec result = a < splat(0.2f) ? near : far;
  return x == x ? result : x;
}

}  // namespace
}  // namespace vmoe
