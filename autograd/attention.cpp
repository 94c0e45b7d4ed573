// Multi-head self-attention (Vaswani et al. 2017, arXiv:1706.03762), fused per head: the scores of one head
// live in cache only, unless a backward pass is to come, for which the probabilities of all heads are kept.

#include "autograd/attention_heads.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "tensor/matmul.h"
#include "tensor/scratch.h"

namespace vmoe {

namespace {

// One head of one image inside qkv [B, T, 3 D]: query, key and value have rows of `row` = 3 D numbers.
struct Head {
  int64_t tokens, size;  // T, d = D/H
  int64_t score_row;     // T rounded up to whole vectors: scores and probabilities beyond T are zero
  int64_t row;
  real factor;  // 1 / sqrt(d)
};

Head head_of(const AttentionHeads& all) {
  const int64_t size = all.width / all.heads;
  return {all.tokens, size, all.score_row(), 3 * all.width, 1 / std::sqrt(static_cast<real>(size))};
}

// Numbers that the largest packed factor of a head takes.
int64_t scratch_size(const Head& h) {
  return std::max(kernels().packed_size(h.size, h.tokens), kernels().packed_size(h.tokens, h.size));
}

// Numbers of a query below which fewer bits are slower than fp32 (measured with tiles: 16 are, 32 and 64 are
// not): coding takes longer than it saves.
constexpr int64_t kLeastNarrowHead = 32;

// The two products of a head forward, in fp32, or by kernels of fewer bits.
struct Products {
  const NarrowKernels* narrow;  // or null
  std::byte* scratch;           // bytes_for(narrow, head)

  static int64_t bytes_for(const NarrowKernels* narrow, const Head& h) {
    if (!narrow) return scratch_size(h) * static_cast<int64_t>(sizeof(real));
    return std::max(once_bytes(*narrow, h.tokens, h.tokens, h.size),
                    once_bytes(*narrow, h.tokens, h.size, h.tokens));
  }
  void multiply(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, int64_t c_row) const {
    if (narrow) {
      multiply_once(scratch, *narrow, m, n, k, a, b, c, c_row, false, Outside::narrow_attention);
    } else {
      multiply_once(reinterpret_cast<real*>(scratch), m, n, k, a, b, c, c_row, false);
    }
  }
};

// P [T, T] = softmax(Q K^T / sqrt d);  Y = P V into y, rows at distance `y_row`.
void forward(const Products& products, const Head& h, const real* q, const real* k, const real* v, real* p,
             real* y, int64_t y_row) {
  products.multiply(h.tokens, h.tokens, h.size, {q, h.row, 1}, {k, 1, h.row}, p, h.score_row);
  kernels().softmax(h.tokens, h.tokens, h.score_row, h.factor, p, p);
  products.multiply(h.tokens, h.size, h.tokens, {p, h.score_row, 1}, {v, h.row, 1}, y, y_row);
}

// dV = P^T dY;  dP = dY V^T;  dS = P (dP - <dP, P>) / sqrt d;  dQ = dS K;  dK = dS^T Q.
// q, k, v and dq, dk, dv lie alike; dq, dk, dv are overwritten.
void backward(Arena& arena, const Head& h, const real* q, const real* k, const real* v, const real* p,
              const real* dy, int64_t dy_row, real* dq, real* dk, real* dv) {
  const Scratch scope(arena);
  const int64_t tokens = h.tokens, score_row = h.score_row;
  real* ds = arena.allocate<real>(tokens * score_row);
  real* scratch = arena.allocate<real>(scratch_size(h));
  const Matrix probabilities{p, score_row, 1}, dscores{ds, score_row, 1};
  multiply_once(scratch, tokens, h.size, tokens, probabilities.transposed(), {dy, dy_row, 1}, dv, h.row,
                false);
  multiply_once(scratch, tokens, tokens, h.size, {dy, dy_row, 1}, {v, 1, h.row}, ds, score_row, false);
  kernels().softmax_backward(tokens, tokens, score_row, h.factor, p, ds, ds, false);
  multiply_once(scratch, tokens, h.size, tokens, dscores, {k, h.row, 1}, dq, h.row, false);
  multiply_once(scratch, tokens, h.size, tokens, dscores.transposed(), {q, h.row, 1}, dk, h.row, false);
}

}  // namespace

int64_t AttentionHeads::score_row() const {
  return kernels().padded(tokens);
}

void AttentionHeads::forward(Arena& arena, Team& team, const real* qkv, real* p, real* y) const {
  const Head head = head_of(*this);
  const Scratch scope(arena);
  const int items = static_cast<int>(batch * heads);
  const int64_t own = team.threads() == 1 ? 0 : 1;  // one thread: the same scratch for all heads, in cache
  const NarrowKernels* fewer_bits = head.size < kLeastNarrowHead ? nullptr : narrow;
  const int64_t bytes = whole_lines(Products::bytes_for(fewer_bits, head));
  std::byte* scratch = arena.allocate<std::byte>(bytes + (items - 1) * own * bytes);
  const int64_t scores = tokens * head.score_row, scores_step = p ? scores : own * scores;
  real* probabilities = p ? p : arena.allocate<real>(scores + (items - 1) * scores_step);
  team.run(items, [=, this](int item) {
    const int64_t b = item / heads, h = item % heads;
    const real* q = qkv + b * tokens * 3 * width + h * head.size;
    vmoe::forward({fewer_bits, scratch + item * own * bytes}, head, q, q + width, q + 2 * width,
                  probabilities + item * scores_step, y + b * tokens * width + h * head.size, width);
  });
}

void AttentionHeads::backward(Arena& arena, const real* qkv, const real* p, const real* dy,
                              real* dqkv) const {
  const Head head = head_of(*this);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t at = b * tokens * 3 * width + h * head.size;
      const real* q = qkv + at;
      real* dq = dqkv + at;
      vmoe::backward(arena, head, q, q + width, q + 2 * width, p + (b * heads + h) * tokens * head.score_row,
                     dy + b * tokens * width + h * head.size, width, dq, dq + width, dq + 2 * width);
    }
  }
}

Var attention(Tape& tape, Var qkv, int heads) {
  const Tensor X = tape.value(qkv);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2) / 3;
  require_shape("attention: qkv", X.shape, {batch, tokens, 3 * heads * (width / heads)});
  const AttentionHeads all{batch, tokens, width, heads, tape.attention_kernels()};
  const Tensor y = tape.allocate({batch, tokens, width});
  real* p = tape.recording() ? tape.arena().allocate<real>(all.probabilities()) : nullptr;
  all.forward(tape.arena(), tape.team(), X.data, p, y.data);
  return tape.record(y, {qkv}, [=](Tape& tape, Tensor dy) {
    const auto [dx, fresh] = tape.grad_target(qkv);
    const Scratch scope(tape.arena());
    const Tensor d = fresh ? dx : tape.allocate(X.shape);
    all.backward(tape.arena(), X.data, p, dy.data, d.data);
    if (!fresh) kernels().add(d.count(), dx.data, d.data, dx.data);
  });
}

// y[b*H + h, t, i] = qkv[b, t, part*D + h*d + i]        a copy; the gradient goes the same way back
Var split_heads(Tape& tape, Var qkv, int heads, int part) {
  const Tensor X = tape.value(qkv);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2) / 3, size = width / heads;
  require_shape("split_heads: qkv", X.shape, {batch, tokens, 3 * heads * size});
  const Tensor y = tape.allocate({batch * heads, tokens, size});
  const auto place = [=](int64_t b, int64_t h, int64_t t) {
    return (b * tokens + t) * 3 * width + part * width + h * size;
  };
  for (int64_t row = 0; row < batch * heads * tokens; ++row) {
    const int64_t t = row % tokens, h = row / tokens % heads, b = row / tokens / heads;
    kernels().scale(size, 1, X.data + place(b, h, t), y.data + row * size);
  }
  return tape.record(y, {qkv}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(qkv);
    for (int64_t row = 0; row < batch * heads * tokens; ++row) {
      const int64_t t = row % tokens, h = row / tokens % heads, b = row / tokens / heads;
      kernels().axpy(size, 1, dy.data + row * size, dx.data + place(b, h, t));
    }
  });
}

// y[b, t, h*d + i] = x[b*H + h, t, i]
Var merge_heads(Tape& tape, Var x, int heads) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0) / heads, tokens = X.dim(1), size = X.dim(2);
  require_shape("merge_heads", X.shape, {batch * heads, tokens, size});
  const Tensor y = tape.allocate({batch, tokens, heads * size});
  const auto place = [=](int64_t row) {
    const int64_t t = row % tokens, h = row / tokens % heads, b = row / tokens / heads;
    return ((b * tokens + t) * heads + h) * size;
  };
  for (int64_t row = 0; row < X.shape.rows(); ++row) {
    kernels().scale(size, 1, X.data + row * size, y.data + place(row));
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t row = 0; row < X.shape.rows(); ++row) {
      kernels().axpy(size, 1, dy.data + place(row), dx.data + row * size);
    }
  });
}

}  // namespace vmoe
