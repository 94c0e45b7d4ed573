#pragma once
// Matrix products as the ops need them, on top of the kernel table.

#include <string>

#include "tensor/arena.h"
#include "tensor/kernels/kernels.h"
#include "tensor/team.h"

namespace vmoe {

/// One thread per product: tells OpenBLAS (whatever variant is linked) to start no threads of its own. Called
/// once before the first product; harmless without OpenBLAS.
void hold_blas_to_one_thread();
/// Whether OpenBLAS computes weight gradients beside these kernels: when its own are at least as wide. Their
/// two factors change with every call, so packing cannot be shared, and there it is some 10 % faster at equal
/// width and half as fast at half of it. The plain kernels, being the definition, do without it.
bool blas_serves(const Kernels& kernels);
/// "OpenBLAS 0.3.21 Haswell, pthreads, held to 1 thread", or "none: own kernels".
std::string blas_description();

/// The product `g`, its panels shared between the threads of the team. The same bytes for any team.
void multiply(Team& team, const Gemm& g);

/// Packs B (element (p, j) at b[p * b_row + j * b_column]) into memory of the arena.
const real* pack_in(Arena& arena, int64_t k, int64_t n, const real* b, int64_t b_row, int64_t b_column);

/// dW [out, in] += dY^T X with dY [rows, out] and X [rows, in], both with contiguous rows: the gradient of a
/// weight. Scratch memory comes from the arena and is given back.
void add_weight_gradient(Arena& arena, int64_t rows, int64_t out, int64_t in, const real* dy, const real* x,
                         real* dw);

}  // namespace vmoe
