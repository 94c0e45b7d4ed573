#pragma once
// Attention on plain memory, without its linear layers: what the op and the fused branch share.

#include "tensor/arena.h"
#include "tensor/kernels/narrow.h"
#include "tensor/team.h"

namespace vmoe {

/// Attention over `batch` images of T tokens with H heads of size D/H. qkv [B, T, 3 D] holds query, key and
/// value side by side; the probabilities of a head are T rows of `score_row` numbers, T rounded up to whole
/// vectors, zeros beyond T.
struct AttentionHeads {
  int64_t batch, tokens, width;  // B, T, D
  int heads;                     // H divides D
  /// Of the two products forward of heads of at least 32 numbers; null: fp32. Backward is always fp32.
  const NarrowKernels* narrow = nullptr;

  /// Numbers of the probabilities of one image, and of all.
  int64_t image_probabilities() const { return heads * tokens * score_row(); }
  int64_t probabilities() const { return batch * image_probabilities(); }
  /// Numbers from one row of probabilities to the next: T rounded up to whole vectors of the kernels in use.
  int64_t score_row() const;
  /// y [B, T, D] = concat over heads of P V with P = softmax(Q K^T / sqrt(D/H)), which `p` keeps; null:
  /// nobody needs them afterwards. The heads are shared between the threads of the team; scratch memory comes
  /// from the arena and is given back.
  void forward(Arena& arena, Team& team, const real* qkv, real* p, real* y) const;
  /// dqkv [B, T, 3 D] from dy [B, T, D]; all of it is overwritten.
  void backward(Arena& arena, const real* qkv, const real* p, const real* dy, real* dqkv) const;
};

}  // namespace vmoe
