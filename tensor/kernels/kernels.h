#pragma once
// The numeric kernels: one table of functions per instruction set, chosen when the program starts. The plain
// table is the definition: simple loops that every other table is held to by a test.

#include <cstdint>
#include <string>
#include <vector>

#include "tensor/real.h"

namespace vmoe {

/// C [m, n] = A B (+ C or base) (+ bias): A is any strided matrix, B is packed in panels of `Kernels::panel`
/// columns.
struct Gemm {
  int64_t m, n, k;
  const real* a;  // element (i, p) at a[i * a_row + p * a_column]
  int64_t a_row, a_column;
  const real* b;  // from `pack`
  real* c;        // element (i, j) at c[i * c_row + j]
  int64_t c_row;
  bool add;                    // C += A B instead of C = A B
  const real* bias;            // [n] added to every row, or null
  const real* base = nullptr;  // what is added instead of C, rows at distance c_row like C's, or null
};

/// What AdamW needs for one range of parameters (Loshchilov and Hutter 2019, arXiv:1711.05101).
struct AdamWStep {
  real lr, beta1, beta2, epsilon, weight_decay;
  real correction1, correction2;  // 1 - beta1^step, 1 - beta2^step
  real gradient_scale;            // clip factor
};

struct Kernels {
  const char* name;  // "plain", "baseline", "avx2", "avx512"
  int vector_bytes;  // of the vectors it computes with; 0 for the plain loops
  int panel;         // columns of a packed panel

  /// Numbers that rows of n take when the last vector of a row must not reach into the next one.
  int64_t padded(int64_t n) const {
    const int64_t width = vector_bytes > 0 ? vector_bytes / 4 : 1;
    return (n + width - 1) / width * width;
  }

  /// Numbers that a packed k x n matrix takes: k times n rounded up to whole panels.
  int64_t packed_size(int64_t k, int64_t n) const { return k * ((n + panel - 1) / panel * panel); }
  /// Packs B (k x n, element (p, j) at b[p * b_row + j * b_column]) into panels, padded with zeros.
  void (*pack)(int64_t k, int64_t n, const real* b, int64_t b_row, int64_t b_column, real* packed);
  /// The product. Every element of C is one sum over p = 0 .. k-1 in order, whatever m and n are; what C held
  /// and the bias are added after the first block of terms, which is a table's own choice.
  void (*gemm)(const Gemm& product);

  /// y[i] = a[i] + b[i]; y may be a or b.
  void (*add)(int64_t n, const real* a, const real* b, real* y);
  /// y[i] += factor * x[i].
  void (*axpy)(int64_t n, real factor, const real* x, real* y);
  /// y[i] = factor * x[i]; y may be x.
  void (*scale)(int64_t n, real factor, const real* x, real* y);
  /// y[i] (+)= a[i] * b[i].
  void (*mul)(int64_t n, const real* a, const real* b, real* y, bool add);
  /// total[j] += sum over rows of x[i * n + j].
  void (*add_rows)(int64_t rows, int64_t n, const real* x, real* total);
  /// Sum of a[i] * b[i].
  real (*dot)(int64_t n, const real* a, const real* b);
  /// Sum of squares, in double, in a fixed order.
  double (*sum_of_squares)(int64_t n, const real* x);

  /// Layer norm of rows of length n; gain and bias may both be null; mean and rstd [rows] are written.
  void (*layer_norm)(int64_t rows, int64_t n, const real* x, const real* gain, const real* bias, real epsilon,
                     real* y, real* mean, real* rstd);
  /// dx (+)= ...; dgain, dbias (null without gain) are added to.
  void (*layer_norm_backward)(int64_t rows, int64_t n, const real* x, const real* gain, const real* mean,
                              const real* rstd, const real* dy, real* dx, bool add, real* dgain, real* dbias);

  /// y[i] = max(x[i], 0), NaN stays NaN; dx (+)= dy where x > 0, else 0. y may be x.
  void (*relu)(int64_t n, const real* x, real* y);
  void (*relu_backward)(int64_t n, const real* x, const real* dy, real* dx, bool add);

  /// Exact GELU, and its gradient: dx (+)= dy * gelu'(x), and y = gelu(x) once more unless y is null. In
  /// `gelu` y may be x, in the gradient dx may be dy.
  void (*gelu)(int64_t n, const real* x, real* y);
  void (*gelu_backward)(int64_t n, const real* x, const real* dy, real* dx, bool add, real* y);
  /// The tanh approximation of GELU, likewise.
  void (*gelu_tanh)(int64_t n, const real* x, real* y);
  void (*gelu_tanh_backward)(int64_t n, const real* x, const real* dy, real* dx, bool add, real* y);

  /// y[i] = e^x, tanh x, Phi(x) (the normal distribution function), as the kernels above and below compute
  /// them: here so that tests can measure them in ulp; nothing else calls these three.
  void (*exponential)(int64_t n, const real* x, real* y);
  void (*hyperbolic_tangent)(int64_t n, const real* x, real* y);
  void (*normal_distribution)(int64_t n, const real* x, real* y);

  /// Rows of length n >= 1 at distance `stride` >= n: y = softmax(factor * x), and zeros from n to the
  /// stride. A negative factor is not supported. y may be x.
  void (*softmax)(int64_t rows, int64_t n, int64_t stride, real factor, const real* x, real* y);
  /// dx (+)= factor * y * (dy - sum(dy * y)), rows at the same distance; nothing is written behind a row's n.
  /// dx may be dy.
  void (*softmax_backward)(int64_t rows, int64_t n, int64_t stride, real factor, const real* y,
                           const real* dy, real* dx, bool add);

  /// One AdamW update of n parameters: w, m, v are changed.
  void (*adamw)(int64_t n, const AdamWStep& step, const real* gradient, real* w, real* m, real* v);

  /// What the arithmetic units can do at best: `rounds` times x = factor * x + term for many independent x
  /// that stay in registers and start at 0, 1, 2, ... (vectors: with equal numbers). Adds the last x to
  /// *total and returns the floating-point operations, two each.
  int64_t (*multiply_adds)(int64_t rounds, real factor, real term, real* total);
};

/// The table in use. The widest one this machine runs, unless `use_kernels` chose another.
const Kernels& kernels();
/// Chooses by name ("auto" for the widest). Throws UsageError naming what this machine has. Call before any
/// thread.
void use_kernels(const std::string& name);
/// Chooses a table of the caller's own (tensor/kernels/timed.h), which must stay valid.
void use_kernels(const Kernels& table);
/// All tables that this build holds and this machine can run, the plain one first.
const std::vector<const Kernels*>& available_kernels();

/// Flushes denormal numbers to zero on the calling thread (every worker calls it once).
void flush_denormals();

}  // namespace vmoe
