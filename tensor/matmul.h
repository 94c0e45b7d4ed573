#pragma once
// Matrix products as the ops need them, on top of the kernel table.

#include <string>

#include "tensor/arena.h"
#include "tensor/kernels/kernels.h"
#include "tensor/kernels/narrow.h"
#include "tensor/kernels/timed.h"
#include "tensor/team.h"

namespace vmoe {

/// One thread per product: tells OpenBLAS (whatever variant is linked) to use no threads of its own, and ends
/// those that it has started. Called once before the first product; harmless without OpenBLAS.
void hold_blas_to_one_thread();
/// Whether OpenBLAS computes weight gradients beside these kernels: when its own are at least as wide, and when
/// several threads may call it, as they may not its serial variant. Their two factors change with every call, so
/// packing cannot be shared, and there it is about as fast at equal width and 0.6 times as fast at half of it.
/// The plain kernels, being the definition, do without it.
bool blas_serves(const Kernels& kernels);
/// Bytes of the vectors that OpenBLAS's kernels for this core use, as it calls it. It knows processors by
/// model, and one that is newer than itself gets its oldest kernels, however wide the machine is.
int blas_vector_bytes(std::string core);
/// What computes weight gradients beside the kernels in use, each of which rounds in its own way: "own", or
/// "OpenBLAS 0.3.21 Haswell", its version and core.
std::string weight_gradient_name();
/// OpenBLAS's own description, its core, whether and why it is not used, and its kind of threads; or
/// "none: own kernels".
std::string blas_description();

/// The product `g`, its panels shared between the threads of the team. The same bytes for any team.
void multiply(Team& team, const Gemm& g);

/// C [m, n] = A W^T (+ bias) (+ base) by a weight W [n, k] of fewer bits: rows of A [m, k], side by side, are
/// encoded in memory of the arena, which is given back. The same bytes for any team.
struct NarrowProduct {
  int64_t m, n, k;
  const real* a;
  const std::byte* codes;  // from kernels.pack
  real* c;
  const real* bias;            // [n], or null
  const real* base = nullptr;  // [m, n] (may be C), or null
};
void multiply(Arena& arena, Team& team, const NarrowKernels& kernels, const NarrowProduct& product);

/// A matrix as it lies in memory: element (i, j) at data[i * row + j * column].
struct Matrix {
  const real* data;
  int64_t row, column;
  Matrix transposed() const { return {data, column, row}; }
};

/// Packs B [k, n] into memory of the arena.
const real* pack_in(Arena& arena, int64_t k, int64_t n, Matrix b);

/// C [m, n] = A B, or C += A B, for a B that is used once. C has rows at distance c_row; `scratch` holds
/// kernels().packed_size(k, n) numbers.
void multiply_once(real* scratch, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, int64_t c_row,
                   bool add);

/// The same with factors of fewer bits, both encoded here, in scratch memory of `once_bytes`; `work` is what
/// it counts as. Of each factor the rows or the columns are contiguous; rows of A and columns of B where the
/// kernels don't train.
void multiply_once(std::byte* scratch, const NarrowKernels& kernels, int64_t m, int64_t n, int64_t k,
                   Matrix a, Matrix b, real* c, int64_t c_row, bool add, Outside work);
/// Bytes of both encoded factors, A [m, k] and B [k, n], B's beginning at a cache line.
int64_t once_bytes(const NarrowKernels& kernels, int64_t m, int64_t n, int64_t k);

/// Whether OpenBLAS is linked, used or not.
bool has_blas();
/// `multiply_once` by OpenBLAS, whether it serves these kernels or not: for benchmarks. Of each factor the
/// rows or the columns are contiguous. Without OpenBLAS it does nothing.
void blas_multiply(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, int64_t c_row, bool add);

/// dW [out, in] = dY^T X, or dW += dY^T X, with dY [rows, out] and X [rows, in], both with contiguous rows:
/// the gradient of a weight. Scratch memory comes from the arena and is given back.
void weight_gradient(Arena& arena, int64_t rows, int64_t out, int64_t in, const real* dy, const real* x,
                     real* dw, bool add);
/// The same with factors of fewer bits, both encoded here, by kernels that train.
void weight_gradient(Arena& arena, const NarrowKernels& kernels, int64_t rows, int64_t out, int64_t in,
                     const real* dy, const real* x, real* dw, bool add);

}  // namespace vmoe
