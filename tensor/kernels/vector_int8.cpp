// The int8 products of one instruction set: VMOE_ISA names it, the compiler's flags say which it is. What
// differs between sets is how products of 8-bit numbers are added up, and intrinsics are needed for it, since
// no vector extension says "multiply bytes and add four neighbours":
//
//   VNNI     x + 128 as unsigned bytes times w, four neighbours of p at a time, in one instruction. The 128
//            is corrected by where the sum starts: at -128 * sum of w, known when the weight is packed.
//   others   x and w as 16-bit numbers, two neighbours at a time, then one addition. (AVX2's product of bytes
//            saturates at 16 bits, and would not be exact.)
#ifndef VMOE_F64

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "tensor/kernels/isa_names.h"
#include "tensor/kernels/vector_codes.h"
#include "tensor/kernels/vector_narrow.h"

namespace vmoe {
namespace {

// --- What the sets differ in: codes of a row, neighbours that one step takes, weights of a step, the sum ---

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

constexpr bool kShifted = true;  // rows hold x + 128
constexpr int kGroup = 4;
using Code = uint8_t;
constexpr float kCodeRounder = kRounder + 128;
using Weights = Ints;

inline Weights load_weights(const std::byte* at) {
  return get<Ints>(at, 0);
}

inline Ints multiply_add(Ints sum, Ints x, Weights w) {
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
#else
  return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)x, (__m256i)w);
#endif
}

#else

constexpr bool kShifted = false;
constexpr int kGroup = 2;
using Code = int16_t;
constexpr float kCodeRounder = kRounder;
using Weights = int16_t __attribute__((vector_size(kVectorBytes)));
using Bytes = int8_t __attribute__((vector_size(kVectorBytes / 2)));

inline Weights load_weights(const std::byte* at) {
  return __builtin_convertvector(get<Bytes>(at, 0), Weights);
}

inline Ints multiply_add(Ints sum, Ints x, Weights w) {
#if defined(__AVX512BW__)
  return sum + (Ints)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif defined(__AVX2__)
  return sum + (Ints)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#elif defined(__SSE2__)
  return sum + (Ints)_mm_madd_epi16((__m128i)x, (__m128i)w);
#else
  // Little-endian halves of 32 bits: the lower one by shifting up and down again.
  const Ints pairs = reinterpret_cast<Ints>(w);
  return sum + (x << 16 >> 16) * (pairs << 16 >> 16) + (x >> 16) * (pairs >> 16);
#endif
}

#endif

// --- Rows: [step][codes, padded with zeros to whole groups] ---

constexpr int64_t kStepBytes = sizeof(float);

int64_t row_bytes(int64_t k) {
  return kStepBytes + (k + kGroup - 1) / kGroup * kGroup * static_cast<int64_t>(sizeof(Code));
}

// The low byte or half of every number.
inline auto low_parts(Ints v) {
  if constexpr (sizeof(Code) == 1) {
    return low_bytes(v);
  } else {
    using Halves = int16_t __attribute__((vector_size(kVectorBytes / 2)));
    return __builtin_convertvector(v, Halves);
  }
}

inline void store_codes(Code* to, Vec x, float inverse, int64_t count) {
  const Vec shifted = x * inverse + kCodeRounder;
  const auto codes = low_parts(reinterpret_cast<Ints>(shifted));
  std::memcpy(to, &codes, static_cast<size_t>(count) * sizeof(Code));
}

void encode(int64_t m, int64_t k, const float* x, int64_t x_row, std::byte* rows) {
  for (int64_t i = 0; i < m; ++i, x += x_row, rows += row_bytes(k)) {
    const Step step = step_of(largest_magnitude(k, x));
    put(rows, 0, step.step);
    auto* codes = reinterpret_cast<Code*>(rows + kStepBytes);
    int64_t p = 0;
    for (; p + kWidth <= k; p += kWidth) store_codes(codes + p, load(x + p), step.inverse, kWidth);
    if (p < k) store_codes(codes + p, load_part(x + p, k - p), step.inverse, k - p);
    for (p = k; p % kGroup != 0; ++p) codes[p] = 0;
  }
}

// --- Panels: [steps][with VNNI: starts of the sums][groups of p: per output kGroup bytes] ---

constexpr int64_t kHeader = kPanel * sizeof(float) * (kShifted ? 2 : 1);

int64_t panel_bytes(int64_t k) {
  return kHeader + (k + kGroup - 1) / kGroup * kGroup * kPanel;
}

// One output's weights w [k], as column `c` of a panel.
void pack_output(int64_t k, const float* w, std::byte* panel, int64_t c) {
  const Step step = step_of(largest_magnitude(k, w));
  put(panel, c, step.step);
  auto* codes = reinterpret_cast<int8_t*>(panel + kHeader);
  int32_t sum = 0;
  for (int64_t p = 0; p < k; ++p) {
    const int8_t code = int8_code(w[p], step.inverse);
    codes[(p / kGroup * kPanel + c) * kGroup + p % kGroup] = code;
    sum += code;
  }
  if constexpr (kShifted) put(panel, kPanel + c, -128 * sum);
}

void pack(int64_t k, int64_t n, const float* w, int64_t w_row, std::byte* packed) {
  for (int64_t j = 0; j < n; j += kPanel, packed += panel_bytes(k)) {
    std::memset(packed, 0, panel_bytes(k));
    for (int64_t c = 0; c < kPanel && j + c < n; ++c) pack_output(k, w + (j + c) * w_row, packed, c);
  }
}

// --- The product ---

template <int R>
inline void block(int64_t k, const std::byte* a, const std::byte* panel, const Tile& tile) {
  const int64_t a_row = row_bytes(k);
  const std::byte *x = a + kStepBytes, *w = panel + kHeader;
  Ints acc[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    acc[r][0] = kShifted ? get<Ints>(panel, 2) : Ints{};
    acc[r][1] = kShifted ? get<Ints>(panel, 3) : Ints{};
  }
  for (int64_t p = 0; p < k; p += kGroup, x += kGroup * sizeof(Code), w += kPanel * kGroup) {
    const Weights w0 = load_weights(w), w1 = load_weights(w + kWidth * kGroup);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Ints codes = get<int32_t>(x + r * a_row, 0) - Ints{};
      acc[r][0] = multiply_add(acc[r][0], codes, w0);
      acc[r][1] = multiply_add(acc[r][1], codes, w1);
    }
  }
  const Vec steps[2] = {get<Vec>(panel, 0), get<Vec>(panel, 1)};
  Vec y[R][2];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    const float step = get<float>(a + r * a_row, 0);
    y[r][0] = __builtin_convertvector(acc[r][0], Vec) * (step * steps[0]);
    y[r][1] = __builtin_convertvector(acc[r][1], Vec) * (step * steps[1]);
  }
  write(y, tile);
}

}  // namespace

const NarrowKernels VMOE_TABLE(kInt8_, VMOE_ISA) = {
    .name = VMOE_NAME(VMOE_ISA),
    .companion = VMOE_NAME(VMOE_COMPANION),
    .precision = Precision::int8,
    .faster_than_fp32 = kShifted,
    .panel = kPanel,
    .row_bytes = row_bytes,
    .panel_bytes = panel_bytes,
    .pack = pack,
    .encode = encode,
    .gemm = gemm,
};

}  // namespace vmoe

#endif
