#pragma once
// Transposition by vectors. Internal to the file that includes it, as vector_type.h is.

#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

// out[j * out_row + i] = x[i * x_row + j] for kWidth x 4 numbers: four vectors of the rows' quadruples, each
// transposed within its 4 x 4.
inline void transpose_tile(const float* x, int64_t x_row, float* out, int64_t out_row) {
  Vec r[4];
  for (int i = 0; i < 4; ++i) r[i] = load_quads(x + i * x_row, 4 * x_row);
  const Vec a = VMOE_SHUFFLE_QUADS(r[0], r[1], 0, kWidth, 1, kWidth + 1);
  const Vec b = VMOE_SHUFFLE_QUADS(r[2], r[3], 0, kWidth, 1, kWidth + 1);
  const Vec c = VMOE_SHUFFLE_QUADS(r[0], r[1], 2, kWidth + 2, 3, kWidth + 3);
  const Vec d = VMOE_SHUFFLE_QUADS(r[2], r[3], 2, kWidth + 2, 3, kWidth + 3);
  store(out, VMOE_SHUFFLE_QUADS(a, b, 0, 1, kWidth, kWidth + 1));
  store(out + out_row, VMOE_SHUFFLE_QUADS(a, b, 2, 3, kWidth + 2, kWidth + 3));
  store(out + 2 * out_row, VMOE_SHUFFLE_QUADS(c, d, 0, 1, kWidth, kWidth + 1));
  store(out + 3 * out_row, VMOE_SHUFFLE_QUADS(c, d, 2, 3, kWidth + 2, kWidth + 3));
}

/// out[j * out_row + i] = x[i * x_row + j] for i < rows, j < columns. Bits are moved, whatever they mean.
void transpose(int64_t rows, int64_t columns, const float* x, int64_t x_row, float* out, int64_t out_row) {
  const int64_t whole_rows = rows / kWidth * kWidth, whole_columns = columns / 4 * 4;
  for (int64_t j = 0; j < whole_columns; j += 4) {
    for (int64_t i = 0; i < whole_rows; i += kWidth)
      transpose_tile(x + i * x_row + j, x_row, out + j * out_row + i, out_row);
    for (int64_t i = whole_rows; i < rows; ++i) {
      for (int64_t c = j; c < j + 4; ++c) out[c * out_row + i] = x[i * x_row + c];
    }
  }
  for (int64_t j = whole_columns; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) out[j * out_row + i] = x[i * x_row + j];
  }
}

}  // namespace
}  // namespace vmoe
