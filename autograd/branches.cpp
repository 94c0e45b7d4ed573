// The two residual branches of a transformer block (Dosovitskiy et al. 2021, arXiv:2010.11929, figure 1),
// fused: what lies between the linear layers is used while it is in the cache, and what is cheap to compute
// again is not kept.

#include <algorithm>

#include "autograd/attention_heads.h"
#include "autograd/linear_parts.h"
#include "autograd/ops.h"
#include "autograd/pass_on.h"
#include "autograd/row_blocks.h"
#include "tensor/scratch.h"

namespace vmoe {

namespace {

// h = norm(x) of rows of one width, and what its gradient needs.
struct NormPart {
  Var x, gain, bias;
  int64_t width;
  real eps;
  real *mean, *rstd;  // [rows]

  // Rows first .. first + rows - 1, to h.
  void forward(Tape& tape, int64_t first, int64_t rows, real* h) const {
    const real *from = tape.value(x).data + first * width, *g = tape.value(gain).data,
               *b = tape.value(bias).data;
    tape.team().share_range(rows, kPiece / width + 1, [=, this](int64_t piece, int64_t some) {
      kernels().layer_norm(some, width, from + piece * width, g, b, eps, h + piece * width,
                           mean + first + piece, rstd + first + piece);
    });
  }

  // Where the gradients go, to be asked for before any scratch memory. Those of constants are computed and
  // ignored.
  struct Gradients {
    Tape::Target x;
    real *gain, *bias;
  };
  Gradients gradients(Tape& tape) const {
    return {tape.grad_target(x), tape.grad(gain).data, tape.grad(bias).data};
  }

  // dx += dy + the gradient through the norm, for a branch that ends in x + ...: dy is the gradient of its
  // end, dh that of h.
  void backward(Tape& tape, const Gradients& to, Tensor dy, const real* dh) const {
    real* dx = to.x.tensor.data;
    pass_on(to.x, dy);
    kernels().layer_norm_backward(dy.count() / width, width, tape.value(x).data, tape.value(gain).data, mean,
                                  rstd, dh, dx, true, to.gain, to.bias);
  }
};

NormPart norm_part(Tape& tape, Var x, NormInputs norm) {
  const int64_t rows = tape.value(x).shape.rows(), width = tape.value(x).dim(-1);
  require_shape("norm of a branch: gain", tape.value(norm.gain).shape, {width});
  require_shape("norm of a branch: bias", tape.value(norm.bias).shape, {width});
  return {x,
          norm.gain,
          norm.bias,
          width,
          norm.eps,
          tape.arena().allocate<real>(rows),
          tape.arena().allocate<real>(rows)};
}

}  // namespace

// h = norm(x),  o = attention(h Wq^T + bq),  y = x + o Wp^T + bp
// do = dy Wp,  dqkv = attention'(do),  dh = dqkv Wq,  dx += dy + norm'(dh);  dWp += dy^T o,  dWq += dqkv^T h
Var attention_branch(Tape& tape, Var x, NormInputs norm, LinearInputs qkv, int heads, LinearInputs proj) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2), rows = batch * tokens;
  const LinearPart in = linear_part(tape, "attention_branch: qkv.weight", qkv.weight,
                                    "attention_branch: qkv.bias", qkv.bias, width);
  const LinearPart out = linear_part(tape, "attention_branch: proj.weight", proj.weight,
                                     "attention_branch: proj.bias", proj.bias, width);
  require_shape("attention_branch: qkv.weight", tape.value(qkv.weight).shape,
                {3 * heads * (width / heads), width});
  require_shape("attention_branch: proj.weight", tape.value(proj.weight).shape, {width, width});
  const AttentionHeads all{batch, tokens, width, heads, tape.attention_kernels()};
  const Tensor y = tape.allocate(X.shape);
  const NormPart before = norm_part(tape, x, norm);
  // A few images at a time. What only the backward pass reads is kept for it alone: otherwise the next images
  // write over it, in the cache.
  const int64_t images = even_block(batch, std::max<int64_t>(1, kRowBlock / std::max<int64_t>(1, tokens)));
  const bool keep = tape.recording();
  const int64_t kept_rows = (keep ? batch : images) * tokens;
  real* mixed = tape.arena().allocate<real>(kept_rows * width);      // o
  real* parts = tape.arena().allocate<real>(kept_rows * 3 * width);  // query, key, value
  real* p = keep ? tape.arena().allocate<real>(all.probabilities()) : nullptr;
  {
    Scratch scratch(tape.arena());
    real* h = scratch.numbers(images * tokens * width);
    for (int64_t first = 0; first < batch; first += images) {
      const int64_t count = std::min(batch - first, images), row = first * tokens, some = count * tokens;
      AttentionHeads group = all;
      group.batch = count;
      const int64_t kept = keep ? row : 0;
      real *o = mixed + kept * width, *some_parts = parts + kept * 3 * width;
      before.forward(tape, row, some, h);
      in.forward(tape, some, h, some_parts);
      group.forward(tape.arena(), tape.team(), some_parts,
                    keep ? p + first * all.image_probabilities() : nullptr, o);
      out.forward(tape, some, o, y.data + row * width, X.data + row * width);
    }
  }
  return tape.record(y, {x, norm.gain, norm.bias, qkv.weight, qkv.bias, proj.weight, proj.bias},
                     [=](Tape& tape, Tensor dy) {
                       const auto to_norm = before.gradients(tape);
                       const auto to_in = in.gradients(tape), to_out = out.gradients(tape);
                       Scratch scratch(tape.arena());
                       real *dh = scratch.numbers(rows * width), *dparts = scratch.numbers(rows * 3 * width);
                       out.backward_weights(tape, to_out, rows, dy.data, mixed);
                       real* dmixed = dh;
                       out.backward_input(tape, rows, dy.data, dmixed);
                       all.backward(tape.arena(), parts, p, dmixed, dparts);
                       real* h = mixed;  // no longer needed
                       before.forward(tape, 0, rows, h);
                       in.backward_weights(tape, to_in, rows, dparts, h);
                       in.backward_input(tape, rows, dparts, dh);
                       before.backward(tape, to_norm, dy, dh);
                     });
}

// h = norm(x),  u = h W1^T + b1,  a = activation(u),  y = x + a W2^T + b2
// du = (dy W2) activation'(u),  dh = du W1,  dx += dy + norm'(dh);  dW2 += dy^T a,  dW1 += du^T h
Var mlp_branch(Tape& tape, Var x, NormInputs norm, LinearInputs fc1, Activation activation,
               LinearInputs fc2) {
  const Tensor X = tape.value(x);
  const int64_t rows = X.shape.rows(), width = X.dim(-1);
  const LinearPart up =
      linear_part(tape, "mlp_branch: fc1.weight", fc1.weight, "mlp_branch: fc1.bias", fc1.bias, width);
  const int64_t hidden = up.out;
  const LinearPart down =
      linear_part(tape, "mlp_branch: fc2.weight", fc2.weight, "mlp_branch: fc2.bias", fc2.bias, hidden);
  require_shape("mlp_branch: fc2.weight", tape.value(fc2.weight).shape, {width, hidden});
  const ActivationPart activate(activation);
  const Tensor y = tape.allocate(X.shape);
  const NormPart before = norm_part(tape, x, norm);
  real* u = tape.recording() ? tape.arena().allocate<real>(rows * hidden) : nullptr;
  {
    Scratch scratch(tape.arena());
    const int64_t block = even_block(rows, kRowBlock);
    real *h = scratch.numbers(block * width), *a = scratch.numbers(block * hidden);
    for (int64_t first = 0; first < rows; first += block) {
      const int64_t some = std::min(rows - first, block);
      real* before_activation = u ? u + first * hidden : a;
      before.forward(tape, first, some, h);
      up.forward(tape, some, h, before_activation);
      activate.forward(tape, some, hidden, before_activation, a);
      down.forward(tape, some, a, y.data + first * width, X.data + first * width);
    }
  }
  return tape.record(y, {x, norm.gain, norm.bias, fc1.weight, fc1.bias, fc2.weight, fc2.bias},
                     [=](Tape& tape, Tensor dy) {
                       const auto to_norm = before.gradients(tape);
                       const auto to_up = up.gradients(tape), to_down = down.gradients(tape);
                       Scratch scratch(tape.arena());
                       real *a = scratch.numbers(rows * hidden), *du = scratch.numbers(rows * hidden);
                       down.backward_input(tape, rows, dy.data, du);
                       activate.backward(rows * hidden, u, du, du, a);
                       down.backward_weights(tape, to_down, rows, dy.data, a);
                       real *h = scratch.numbers(rows * width), *dh = scratch.numbers(rows * width);
                       before.forward(tape, 0, rows, h);
                       up.backward_weights(tape, to_up, rows, du, h);
                       up.backward_input(tape, rows, du, dh);
                       before.backward(tape, to_norm, dy, dh);
                     });
}

}  // namespace vmoe
