#include "autograd/linear_parts.h"

#include "autograd/row_blocks.h"

namespace vmoe {

namespace {

const real* values(Tape& tape, const MatrixPart& w) {
  return tape.value(w.weight).data + w.expert * w.out * w.in;
}

// The shared packed copy, ready to be read; null for a weight that is not a parameter.
const PackedWeight* packed_of(Tape& tape, const MatrixPart& w) {
  return tape.packed(w.weight, static_cast<int>(w.expert));
}

// W [O, I] in panels for y = x W^T: the shared copy, or packed here for a weight that is not a parameter.
const real* forward_panels(Tape& tape, const MatrixPart& w) {
  if (const PackedWeight* packed = packed_of(tape, w))
    return packed->forward + w.expert * packed->forward_stride;
  return pack_in(tape.arena(), w.in, w.out, {values(tape, w), 1, w.in});
}

const real* backward_panels(Tape& tape, const MatrixPart& w) {
  const PackedWeight* packed = packed_of(tape, w);
  if (packed && packed->backward) return packed->backward + w.expert * packed->backward_stride;
  return pack_in(tape.arena(), w.out, w.in, {values(tape, w), w.in, 1});
}

// Where the weight is packed with fewer bits, else null.
const PackedWeight* narrow(Tape& tape, const MatrixPart& w) {
  const PackedWeight* packed = packed_of(tape, w);
  return packed && packed->narrow ? packed : nullptr;
}

// `target` and `grad` give the memory of a parameter's gradient, or of its part.
template <class Target, class Grad>
LayerGradients gradients_of(Tape& tape, const LinearInputs& layer, const Target& target, const Grad& grad) {
  LayerGradients to;
  if (tape.wants_grad(layer.weight)) {
    const auto [dw, fresh] = target(layer.weight);
    to.weight = dw.data;
    to.fresh = fresh;
  }
  if (tape.wants_grad(layer.bias)) to.bias = grad(layer.bias).data;
  return to;
}

}  // namespace

LayerGradients layer_gradients(Tape& tape, const LinearInputs& layer) {
  return gradients_of(
      tape, layer, [&](Var v) { return tape.grad_target(v); }, [&](Var v) { return tape.grad(v); });
}

LayerGradients expert_gradients(Tape& tape, const LinearInputs& layers, int e) {
  return gradients_of(
      tape, layers, [&](Var v) { return tape.expert_grad_target(v, e); },
      [&](Var v) { return tape.expert_grad(v, e); });
}

LinearPart linear_part(Tape& tape, const char* weight_name, Var weight, const char* bias_name, Var bias,
                       int64_t in) {
  const Tensor W = tape.value(weight);
  const int64_t out = W.dim(0);
  if (W.count() != out * in) require_shape(weight_name, W.shape, {out, in});
  if (bias) require_shape(bias_name, tape.value(bias).shape, {out});
  return {weight, bias, in, out};
}

// y = x W^T              [R, I] x [I, O] -> [R, O]
void MatrixPart::forward(Tape& tape, int64_t rows, const real* x, const real* bias, const real* base,
                         real* y) const {
  if (const PackedWeight* codes = narrow(tape, *this)) {
    multiply(tape.arena(), tape.team(), *codes->narrow,
             {rows, out, in, x, codes->codes + expert * codes->codes_stride, y, bias, base});
    return;
  }
  multiply(tape.team(), {.m = rows,
                         .n = out,
                         .k = in,
                         .a = x,
                         .a_row = in,
                         .a_column = 1,
                         .b = forward_panels(tape, *this),
                         .c = y,
                         .c_row = out,
                         .add = false,
                         .bias = bias,
                         .base = base});
}

// dx += dy W             [R, O] x [O, I] -> [R, I]
void MatrixPart::backward_input(Tape& tape, int64_t rows, const real* dy, real* dx, bool add) const {
  if (const PackedWeight* codes = narrow(tape, *this)) {
    multiply(tape.arena(), tape.team(), *codes->narrow,
             {rows, in, out, dy, codes->backward_codes + expert * codes->backward_codes_stride, dx, nullptr,
              add ? dx : nullptr});
    return;
  }
  multiply(tape.team(), {.m = rows,
                         .n = in,
                         .k = out,
                         .a = dy,
                         .a_row = out,
                         .a_column = 1,
                         .b = backward_panels(tape, *this),
                         .c = dx,
                         .c_row = in,
                         .add = add,
                         .bias = nullptr});
}

// dW += dy^T x           [O, R] x [R, I] -> [O, I]
// db += sum over rows of dy
void MatrixPart::backward_weights(Tape& tape, const LayerGradients& to, int64_t rows, const real* dy,
                                  const real* x) const {
  if (to.weight) {
    if (const PackedWeight* codes = narrow(tape, *this)) {
      weight_gradient(tape.arena(), *codes->narrow, rows, out, in, dy, x, to.weight, !to.fresh);
    } else {
      weight_gradient(tape.arena(), rows, out, in, dy, x, to.weight, !to.fresh);
    }
  }
  if (to.bias) kernels().add_rows(rows, out, dy, to.bias);
}

// y = x W^T + b          x [R, I]  W [O, I]  b [O]  y [R, O]
void LinearPart::forward(Tape& tape, int64_t rows, const real* x, real* y, const real* base) const {
  matrix().forward(tape, rows, x, bias ? tape.value(bias).data : nullptr, base, y);
}

void LinearPart::backward_input(Tape& tape, int64_t rows, const real* dy, real* dx, bool add) const {
  matrix().backward_input(tape, rows, dy, dx, add);
}

void LinearPart::backward_weights(Tape& tape, const LayerGradients& to, int64_t rows, const real* dy,
                                  const real* x) const {
  matrix().backward_weights(tape, to, rows, dy, x);
}

ActivationPart::ActivationPart(Activation activation)
    : forward_(activation == Activation::gelu ? kernels().gelu : kernels().gelu_tanh),
      backward_(activation == Activation::gelu ? kernels().gelu_backward : kernels().gelu_tanh_backward) {}

void ActivationPart::forward(Tape& tape, int64_t rows, int64_t width, const real* x, real* y) const {
  tape.team().share_range(rows, kPiece / width + 1, [=, this](int64_t first, int64_t count) {
    forward_(count * width, x + first * width, y + first * width);
  });
}

}  // namespace vmoe
