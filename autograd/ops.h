#pragma once
// All ops. Axis letters: B images, T tokens, D width, H heads, E experts, A assignments, R rows, N classes.
// Every op is pure; its backward adds. Each .cpp file holds a family, with forward and backward side by side
// under the equation. A mismatch of shapes throws ShapeError naming the op and both shapes.

#include "autograd/activation.h"
#include "autograd/tape.h"

namespace vmoe {

// --- elementwise.cpp ---
/// y = a + b, same shapes.
Var add(Tape& tape, Var a, Var b);
/// y = a * b elementwise, same shapes (dropout: b is a constant mask).
Var mul(Tape& tape, Var a, Var b);
/// y = factor * x.
Var scale(Tape& tape, Var x, real factor);
/// y[b, ...] = x[b, ...] + p[...]: x [B, ...], p of x's shape without the first dimension (positions).
Var add_positions(Tape& tape, Var x, Var p);
/// y[..., d] = x[..., d] * gain[d]: x [..., D], gain [D] (LayerScale).
Var scale_channels(Tape& tape, Var x, Var gain);
/// y[b, ...] = x[b, ...] * factor[b]: x [B, ...], factor [B] (drop path with a constant, image gates with a
/// variable).
Var scale_images(Tape& tape, Var x, Var factor);
/// y = max(x, 0); the gradient at 0 is 0.
Var relu(Tape& tape, Var x);
/// y = x Phi(x) = x/2 (1 + erf(x / sqrt 2)).
Var gelu(Tape& tape, Var x);
/// y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
Var gelu_tanh(Tape& tape, Var x);
/// The same numbers under another shape.
Var reshape(Tape& tape, Var x, const Shape& shape);

// --- linear.cpp ---
/// y = x W^T + b: x [..., I], W [O, I] (or [O, c, h, w] with c*h*w = I), b [O] or none; y [..., O].
Var linear(Tape& tape, Var x, Var weight, Var bias);
/// Batched product, of which attention's composition is made in tests: a [B, M, K], b [B, K, N] -> [B, M, N].
Var matmul(Tape& tape, Var a, Var b);
/// Batched product with the second factor transposed: a [B, M, K], b [B, N, K] -> [B, M, N].
Var matmul_transposed(Tape& tape, Var a, Var b);

// --- norm.cpp ---
/// Layer normalisation over the last axis; gain and bias [D], or both none.
Var layer_norm(Tape& tape, Var x, Var gain, Var bias, real eps);

// --- softmax.cpp ---
/// Softmax over the last axis.
Var softmax(Tape& tape, Var x);
/// Logarithm of the softmax over the last axis. The composition of softmax_cross_entropy in tests.
Var log_softmax(Tape& tape, Var x);
/// Sum over rows of -sum_n target[r, n] log softmax(logits)[r, n]: logits [R, N], targets [R, N] a constant
/// whose rows sum to 1; a scalar, shape []. (Fused softmax, logarithm and sum.)
Var softmax_cross_entropy(Tape& tape, Var logits, Tensor targets);
/// Sum of all numbers, a scalar of shape [].
Var sum(Tape& tape, Var x);

// --- attention.cpp ---
/// Multi-head self-attention without its linear layers: qkv [B, T, 3 D] holds query, key and value side by
/// side, each split into H heads of D/H; y [B, T, D] = concat over heads of softmax(Q K^T / sqrt(D/H)) V.
Var attention(Tape& tape, Var qkv, int heads);
// The two ends of the composition that attention is held to:
/// Part 0, 1, 2 (query, key, value) of qkv [B, T, 3 D] by head: [B*H, T, D/H].
Var split_heads(Tape& tape, Var qkv, int heads, int part);
/// [B*H, T, d] -> [B, T, H*d].
Var merge_heads(Tape& tape, Var x, int heads);

// --- branches.cpp ---
/// The parameters of a layer norm and of a linear layer (of E experts: stacked), as a fused op takes them.
struct NormInputs {
  Var gain, bias;  // [D]
  real eps;
};
struct LinearInputs {
  Var weight, bias;  // [O, I], [O]; stacked [E, O, I], [E, O]
};
/// y = x + proj(attention(qkv(layer_norm(x)), heads)): the first half of a transformer block as one op, x [B,
/// T, D]. The norm's output is computed again in the backward pass.
Var attention_branch(Tape& tape, Var x, NormInputs norm, LinearInputs qkv, int heads, LinearInputs proj);
/// y = x + fc2(activation(fc1(layer_norm(x)))): the other half, x [..., D], hidden width H: fc1 [H, D], fc2
/// [D, H]. Rows go through all of it a few at a time, so that they stay in the cache; of the hidden numbers
/// only those before the activation are kept for the backward pass.
Var mlp_branch(Tape& tape, Var x, NormInputs norm, LinearInputs fc1, Activation activation, LinearInputs fc2);

// --- tokens.cpp ---
/// Mean over tokens first .. T-1: x [B, T, D] -> [B, D].
Var mean_tokens(Tape& tape, Var x, int first);
/// Token `index` of every image: x [B, T, D] -> [B, D].
Var select_token(Tape& tape, Var x, int index);
/// Puts `token` [D] before the tokens of every image: x [B, T, D] -> [B, T+1, D].
Var prepend_token(Tape& tape, Var x, Var token);

// --- convolution.cpp ---
/// Geometry of a window that slides over an image of height x width (floor division, as PyTorch).
struct SlidingWindow {
  int height, width;  // of the input, in pixels
  int size, stride, padding;
  int out_height() const { return (height + 2 * padding - size) / stride + 1; }
  int out_width() const { return (width + 2 * padding - size) / stride + 1; }
};
/// Cuts windows out of planes: x [B, C, height, width] -> [B, outH*outW, C*size*size], zeros outside. With
/// `linear` it is a convolution; with stride = size and no padding, patch embedding.
Var unfold_planes(Tape& tape, Var x, SlidingWindow window);
/// The same from tokens in row order: x [B, height*width, C] -> [B, outH*outW, C*size*size] (same column
/// order).
Var unfold_tokens(Tape& tape, Var x, SlidingWindow window);
/// Largest value in each window, padding counts as -infinity: x [B, height*width, C] -> [B, outH*outW, C].
/// Ties go to the first place in row order.
Var max_pool(Tape& tape, Var x, SlidingWindow window);

// --- routing.cpp ---
/// Rows of x by index: x [R, D], index[A] in 0..R-1 -> [A, D]. `index` must live as long as the tape's use.
/// Here as below an index outside its range throws ShapeError.
Var gather_rows(Tape& tape, Var x, View<const int> index);
/// One number per assignment: p [R, E], row[a], column[a] -> [A].
Var gather_entries(Tape& tape, Var p, View<const int> row, View<const int> column);
/// y[r] = sum over assignments a with index[a] == r of gate[a] * x[a]: x [A, D], gate [A] -> [rows, D]; rows
/// without an assignment are zero.
Var combine_rows(Tape& tape, Var x, Var gate, View<const int> index, int64_t rows);

// --- experts.cpp ---
/// Linear layers of experts on rows sorted by expert: x [R, I], W [E, O, I], b [E, O]; rows first[e] ..
/// first[e+1]-1 belong to expert e (first has E+1 entries, first[0] = 0, first[E] = R). An expert without
/// rows is not touched at all.
Var expert_linear(Tape& tape, Var x, Var weight, Var bias, View<const int> first);
/// The MLPs of experts as one op: y[u] = base[u] + sum over the assignments a of unit u of
/// gate[a] * fc2_e(activation(fc1_e(x[u]))), where e is the expert of a. x [..., D] is cut into `units` units
/// of equally many rows; base has x's shape, or is none; gate [A]; assignment a is unit[a]'s, and those of
/// expert e are first[e] .. first[e+1]-1; fc1 [E, H, D], fc2 [E, D, H]. Rows go through an expert a few at a
/// time, as in mlp_branch. A unit without assignments is base's; an expert without any is not touched.
Var expert_mlp(Tape& tape, Var base, Var x, Var gate, View<const int> unit, View<const int> first,
               int64_t units, LinearInputs fc1, Activation activation, LinearInputs fc2);

}  // namespace vmoe
