#include "tensor/matmul.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

#include "tensor/kernels/timed.h"
#include "tensor/scratch.h"

#if defined(VMOE_OPENBLAS) && !defined(VMOE_F64)
#include <cblas.h>
#define VMOE_USE_BLAS 1
// The pthread variant starts its threads when it is loaded; this ends them. Exported, but in no header.
extern "C" __attribute__((weak)) int blas_thread_shutdown_();
#endif

namespace vmoe {

int blas_vector_bytes(std::string core) {
  // In capitals: a library for one processor alone spells it so, one that chooses among many does not.
  for (char& c : core) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const char* wide : {"SKYLAKEX", "COOPERLAKE", "SAPPHIRERAPIDS"}) {
    if (core == wide) return 64;
  }
  return core == "HASWELL" || core == "ZEN" ? 32 : 16;
}

#ifdef VMOE_USE_BLAS

namespace {

int linked_blas_vector_bytes() {
  static const int bytes = blas_vector_bytes(openblas_get_corename());
  return bytes;
}

// The serial variant shares its buffers between calls without a lock: products of two threads at a time mix,
// once in some hundred steps.
bool blas_is_serial() {
  return openblas_get_parallel() == 0;
}

}  // namespace

bool blas_serves(const Kernels& k) {
  return !blas_is_serial() && k.vector_bytes > 0 && k.vector_bytes <= linked_blas_vector_bytes();
}

void hold_blas_to_one_thread() {
  openblas_set_num_threads(1);
  constexpr int kPthreads = 1;
  if (openblas_get_parallel() == kPthreads && blas_thread_shutdown_) blas_thread_shutdown_();
}

bool has_blas() {
  return true;
}

void blas_multiply(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, int64_t c_row, bool add) {
  const bool a_turned = a.column != 1, b_turned = b.column != 1;
  cblas_sgemm(CblasRowMajor, a_turned ? CblasTrans : CblasNoTrans, b_turned ? CblasTrans : CblasNoTrans, m, n,
              k, 1, a.data, a_turned ? a.column : a.row, b.data, b_turned ? b.column : b.row, add ? 1 : 0, c,
              c_row);
}

std::string blas_description() {
  static const char* const kinds[] = {"serial", "pthreads", "OpenMP"};
  const int kind = openblas_get_parallel();
  const char* use = blas_is_serial()         ? " (not made for callers with threads: not used)"
                    : blas_serves(kernels()) ? ""
                                             : " (narrower than ours: not used)";
  return std::string(openblas_get_config()) + ", " + openblas_get_corename() + " kernels" + use + ", " +
         (kind >= 0 && kind < 3 ? kinds[kind] : "unknown threads") + ", held to 1 thread";
}

// "OpenBLAS 0.3.21 Haswell": the two first words of its description, and its core.
static std::string blas_version_and_core() {
  const std::string config = openblas_get_config();
  return config.substr(0, config.find(' ', config.find(' ') + 1)) + " " + openblas_get_corename();
}

#else

bool blas_serves(const Kernels&) {
  return false;
}

void hold_blas_to_one_thread() {}

bool has_blas() {
  return false;
}

void blas_multiply(int64_t, int64_t, int64_t, Matrix, Matrix, real*, int64_t, bool) {}

std::string blas_description() {
  return "none: own kernels";
}

static std::string blas_version_and_core() {
  return "";
}

#endif

std::string weight_gradient_name() {
  return blas_serves(kernels()) ? blas_version_and_core() : "own";
}

void multiply(Team& team, const Gemm& g) {
  const Kernels& k = kernels();
  team.share_range(g.n, k.panel, [&](int64_t first, int64_t columns) {
    Gemm part = g;
    part.n = columns;
    part.b += first * g.k;
    part.c += first;
    if (g.bias) part.bias += first;
    if (g.base) part.base += first;
    k.gemm(part);
  });
}

void multiply(Arena& arena, Team& team, const NarrowKernels& kernels, const NarrowProduct& p) {
  const Scratch scope(arena);
  const int64_t row = kernels.row_bytes(p.k), panel = kernels.panel_bytes(p.k);
  auto* rows = arena.allocate<std::byte>(p.m * row);
  // Encoding a row takes far less time than multiplying it by a whole weight: pieces of many rows.
  constexpr int64_t kRowsInPiece = 16;
  team.share_range(p.m, kRowsInPiece, [&](int64_t first, int64_t some) {
    const TimedOutside timed(Outside::narrow_encode);
    kernels.encode(some, p.k, p.a + first * p.k, p.k, rows + first * row);
  });
  // As in timed.cpp: layers have a bias, the gradient of their input has none.
  const Outside work = p.bias ? Outside::narrow_forward : Outside::narrow_input_gradient;
  team.share_range(p.n, kernels.panel, [&](int64_t first, int64_t columns) {
    const TimedOutside timed(work, p.m, columns, p.k);
    kernels.gemm({.m = p.m,
                  .n = columns,
                  .k = p.k,
                  .a = rows,
                  .b = p.codes + first / kernels.panel * panel,
                  .c = p.c + first,
                  .c_row = p.n,
                  .bias = p.bias ? p.bias + first : nullptr,
                  .base = p.base ? p.base + first : nullptr});
  });
}

const real* pack_in(Arena& arena, int64_t k, int64_t n, Matrix b) {
  real* packed = arena.allocate<real>(kernels().packed_size(k, n));
  kernels().pack(k, n, b.data, b.row, b.column, packed);
  return packed;
}

void multiply_once(real* scratch, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, int64_t c_row,
                   bool add) {
  kernels().pack(k, n, b.data, b.row, b.column, scratch);
  kernels().gemm({.m = m,
                  .n = n,
                  .k = k,
                  .a = a.data,
                  .a_row = a.row,
                  .a_column = a.column,
                  .b = scratch,
                  .c = c,
                  .c_row = c_row,
                  .add = add,
                  .bias = nullptr});
}

int64_t once_bytes(const NarrowKernels& kernels, int64_t m, int64_t n, int64_t k) {
  return whole_lines(m * kernels.row_bytes(k)) + kernels.packed_bytes(k, n);
}

void multiply_once(std::byte* scratch, const NarrowKernels& kernels, int64_t m, int64_t n, int64_t k,
                   Matrix a, Matrix b, real* c, int64_t c_row, bool add, Outside work) {
  std::byte *rows = scratch, *panels = scratch + whole_lines(m * kernels.row_bytes(k));
  {
    const TimedOutside timed(Outside::narrow_encode);
    if (a.column == 1) {
      kernels.encode(m, k, a.data, a.row, rows);
    } else {
      kernels.encode_transposed(m, k, a.data, a.column, rows);
    }
    if (b.row == 1) {
      kernels.pack(k, n, b.data, b.column, panels);
    } else {
      kernels.pack_transposed(k, n, b.data, b.row, panels);
    }
  }
  const TimedOutside timed(work, m, n, k);
  kernels.gemm({.m = m,
                .n = n,
                .k = k,
                .a = rows,
                .b = panels,
                .c = c,
                .c_row = c_row,
                .bias = nullptr,
                .base = add ? c : nullptr});
}

void weight_gradient(Arena& arena, int64_t rows, int64_t out, int64_t in, const real* dy, const real* x,
                     real* dw, bool add) {
#ifdef VMOE_USE_BLAS
  if (blas_serves(kernels())) {
    const TimedOutside timed(Outside::blas_weight_gradient, out, in, rows);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, rows, 1, dy, out, x, in, add ? 1 : 0, dw,
                in);
    return;
  }
#endif
  const Scratch scope(arena);
  // dY is read along its columns as it lies: the numbers of one row that a block needs stand in one cache
  // line.
  real* scratch = arena.allocate<real>(kernels().packed_size(rows, in));
  multiply_once(scratch, out, in, rows, {dy, 1, out}, {x, in, 1}, dw, in, add);
}

void weight_gradient(Arena& arena, const NarrowKernels& kernels, int64_t rows, int64_t out, int64_t in,
                     const real* dy, const real* x, real* dw, bool add) {
  const Scratch scope(arena);
  multiply_once(arena.allocate<std::byte>(once_bytes(kernels, out, in, rows)), kernels, out, in, rows,
                {dy, 1, out}, {x, in, 1}, dw, in, add, Outside::narrow_weight_gradient);
}

}  // namespace vmoe
