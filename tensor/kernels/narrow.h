#pragma once
// Products whose factors have fewer bits than fp32: 8-bit integers, for inference, and bfloat16, for
// training, too. Beside the tables of kernels.h, one table per precision and instruction set; again the plain
// one is the definition. Everything between products (residuals, norms, softmax, GELU) stays in fp32.
// Attention's own products, of no weights, are in bf16 where a model predicts in either precision and bf16 is
// faster than fp32 (train/precision.h), otherwise in fp32.
//
// int8 (Jacob et al. 2018, arXiv:1712.05877, equation 1 with zero points of 0; activations by row and at run
// time, "dynamically", as in Zafrir et al. 2019, arXiv:1910.06188, but per row instead of per tensor):
//
//   weight   W[j, p] = u_j w[j, p],  u_j = max_p |W[j, p]| / 127,  w in -127 .. 127, one step u_j per output
//   row      X[i, p] = s_i x[i, p],  s_i = max_p |X[i, p]| / 127,  x in -127 .. 127, one step s_i per row
//   product  Y[i, j] = s_i u_j * (sum over p of x[i, p] w[j, p]) + b[j]
//
// both rounded to the nearest step, ties to even. The sum is one of whole numbers, and exact; so Y is the
// same bytes on every instruction set and for any number of threads, and a row does not depend on its
// neighbours. A row (or an output's weights) below 1e-30 counts as zeros; one with a NaN or an infinity makes
// NaN.
//
// bf16: weights and rows are rounded to bfloat16 (8 bits of precision, the range of fp32; nearest, ties to
// even; denormals become zero), their products, which fp32 holds exactly, are added up in fp32, rounded to
// nearest. In which order is a table's own affair:
//
//   plain, avx512_bf16   two by two: sum = (sum + x[2q+1] w[2q+1]) + x[2q] w[2q], as VDPBF16PS does it
//   amx                  32 by 32: sum = sum + (even + odd), as TDPBF16PS does it, where even and odd are
//                        the sums of x[p] w[p] over the even and over the odd p of the 32, in order
//
// Both instructions (Intel's Software Developer's Manual, volume 2) flush denormal results to zero. Any two
// orders of n summands differ by at most 2 (n - 1) u sum |x[p] w[p]|, u = 2^-24 (Higham, Accuracy and
// Stability of Numerical Algorithms, section 4.2, to first order): `bf16_order_bound`, where n = k + 1 with
// the bias.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/real.h"

namespace vmoe {

enum class Precision { fp32, int8, bf16 };

/// C [m, n] = A B^T (+ bias) (+ base) with encoded rows A [m, k] and packed weights B [n, k].
struct NarrowGemm {
  int64_t m, n, k;
  const std::byte* a;  // from `encode`
  const std::byte* b;  // from `pack`
  real* c;             // element (i, j) at c[i * c_row + j]
  int64_t c_row;
  const real* bias;            // [n] added to every row, or null
  const real* base = nullptr;  // added after it, rows at distance c_row like C's (may be C); or null
};

struct NarrowKernels {
  const char* name;       // of the instruction set: "avx512_vnni"
  const char* companion;  // the `Kernels::name` beside which it computes: "avx512"
  Precision precision;
  /// Whether one instruction sums the products of four or more numbers per lane at the rate of fp32's one.
  /// Only then is it faster than fp32, by measurement (README, "Lower precision").
  bool faster_than_fp32;
  int panel;  // outputs (rows of B) that are packed side by side

  /// Bytes of one encoded row, and of one panel of weights, of k numbers. Multiples of 4.
  int64_t (*row_bytes)(int64_t k);
  int64_t (*panel_bytes)(int64_t k);
  int64_t packed_bytes(int64_t k, int64_t n) const { return (n + panel - 1) / panel * panel_bytes(k); }

  /// Encodes and packs W [n, k], rows at distance w_row.
  void (*pack)(int64_t k, int64_t n, const real* w, int64_t w_row, std::byte* packed);
  /// Encodes m rows of k numbers at distance x_row, to be multiplied.
  void (*encode)(int64_t m, int64_t k, const real* x, int64_t x_row, std::byte* rows);
  void (*gemm)(const NarrowGemm& product);

  /// For training; null in tables that only infer. The same codes of matrices that lie transposed: W as
  /// [k, n] and X as [k, m], with rows at distance w_row and x_row.
  void (*pack_transposed)(int64_t k, int64_t n, const real* w, int64_t w_row, std::byte* packed) = nullptr;
  void (*encode_transposed)(int64_t m, int64_t k, const real* x, int64_t x_row, std::byte* rows) = nullptr;
  bool trains() const { return pack_transposed && encode_transposed; }
};

/// Longest sum that int8 takes: 127 * 255 * k stays below 2^31.
constexpr int64_t kMostNarrowInputs = 65536;

/// How far two tables' bf16 may be apart in an element whose summands' magnitudes, bias included, add up to
/// `magnitudes`: by the order of its sum alone.
inline double bf16_order_bound(int64_t k, double magnitudes) {
  return 2 * static_cast<double>(k) / (1 << 24) * magnitudes;
}

/// All tables that this build holds and this machine can run: of each precision the plain one first. Each has
/// been proven on this machine (narrow_proof.h).
const std::vector<const NarrowKernels*>& available_narrow_kernels();
/// Those that failed the proof, and are never used; normally none.
const std::vector<const NarrowKernels*>& refused_narrow_kernels();
/// The best of them beside `kernels()`; null for fp32, and where there is none.
const NarrowKernels* narrow_kernels(Precision precision);
/// The best of them that training can use.
const NarrowKernels* training_kernels(Precision precision);

const char* name_of(Precision precision);
/// The precisions that can be had beside `kernels()`, fp32 first.
std::vector<Precision> available_precisions();
/// "fp32", "int8", "bf16", or "auto": the fastest beside `kernels()`. Throws UsageError, naming what can be
/// had.
Precision find_precision(const std::string& name);
/// The same for training: "fp32", "bf16", or "auto", which is bf16 where it is faster than fp32.
Precision find_training_precision(const std::string& name);

}  // namespace vmoe
