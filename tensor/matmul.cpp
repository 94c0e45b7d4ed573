#include "tensor/matmul.h"

#include <algorithm>
#include <cstring>
#include <string>

#if defined(VMOE_OPENBLAS) && !defined(VMOE_F64)
#include <cblas.h>
#define VMOE_USE_BLAS 1
#endif

namespace vmoe {

#ifdef VMOE_USE_BLAS

void hold_blas_to_one_thread() {
  openblas_set_num_threads(1);
}

std::string blas_description() {
  static const char* const kinds[] = {"serial", "pthreads", "OpenMP"};
  const int kind = openblas_get_parallel();
  return std::string(openblas_get_config()) + ", " + openblas_get_corename() + " kernels, " +
         (kind >= 0 && kind < 3 ? kinds[kind] : "unknown threads") + ", held to 1 thread";
}

#else

void hold_blas_to_one_thread() {}

std::string blas_description() {
  return "none: own kernels";
}

#endif

void multiply(Team& team, const Gemm& g) {
  const Kernels& k = kernels();
  const int64_t panels = (g.n + k.panel - 1) / k.panel;
  if (team.threads() == 1 || panels == 1) return k.gemm(g);
  team.run(static_cast<int>(panels), [&](int i) {
    Gemm part = g;
    const int64_t first = int64_t{i} * k.panel;
    part.n = std::min<int64_t>(k.panel, g.n - first);
    part.b += first * g.k;
    part.c += first;
    if (g.bias) part.bias += first;
    k.gemm(part);
  });
}

const real* pack_in(Arena& arena, int64_t k, int64_t n, const real* b, int64_t b_row, int64_t b_column) {
  real* packed = arena.allocate<real>(kernels().packed_size(k, n));
  kernels().pack(k, n, b, b_row, b_column, packed);
  return packed;
}

void add_weight_gradient(Arena& arena, int64_t rows, int64_t out, int64_t in, const real* dy, const real* x,
                         real* dw) {
  const Kernels& k = kernels();
#ifdef VMOE_USE_BLAS
  // Both factors change with every call, so packing cannot be shared: OpenBLAS was as fast or faster on every
  // shape of our models (while the products with a packed weight are 8 to 30 % faster with the own kernel).
  // The plain kernels stay without it, since they are the definition.
  if (&k != available_kernels().front()) {
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, rows, 1, dy, out, x, in, 1, dw, in);
    return;
  }
#endif
  const Arena::Mark mark = arena.mark();
  // dY is turned so that the kernel reads it along rows; 16 more numbers a row keep its rows off the same
  // cache set.
  const int64_t stride = rows + 16;
  real* dy_turned = arena.allocate<real>(out * stride);
  k.transpose(rows, out, dy, out, dy_turned, stride);
  const real* packed = pack_in(arena, rows, in, x, in, 1);
  k.gemm({.m = out,
          .n = in,
          .k = rows,
          .a = dy_turned,
          .a_row = stride,
          .a_column = 1,
          .b = packed,
          .c = dw,
          .c_row = in,
          .add = true,
          .bias = nullptr});
  arena.release(mark);
}

}  // namespace vmoe
