#pragma once
// What the linear op and the fused branches of a block are made of, on plain memory.

#include "autograd/ops.h"
#include "tensor/matmul.h"

namespace vmoe {

/// Where the gradients of a layer's two parameters go; null for one that wants none. To be asked for before
/// any scratch memory, for they may come from the same arena.
struct LayerGradients {
  real *weight = nullptr, *bias = nullptr;
  bool fresh = false;  // nothing was added to the weight's yet
};

/// Those of a whole layer, and of one expert's part of stacked ones.
LayerGradients layer_gradients(Tape& tape, const LinearInputs& layer);
LayerGradients expert_gradients(Tape& tape, const LinearInputs& layers, int expert);

/// A matrix W [out, in] of a layer in its three products, in the precision in which it is packed: a weight,
/// or one expert's part of a stacked one. x [rows, in], y [rows, out].
struct MatrixPart {
  Var weight;
  int64_t expert, out, in;

  /// y = x W^T (+ bias [out]) (+ base [rows, out]); the two may be null.
  void forward(Tape& tape, int64_t rows, const real* x, const real* bias, const real* base, real* y) const;
  /// dx = dy W, or dx += dy W.
  void backward_input(Tape& tape, int64_t rows, const real* dy, real* dx, bool add) const;
  /// dW += dy^T x and db += sum over rows of dy.
  void backward_weights(Tape& tape, const LayerGradients& gradients, int64_t rows, const real* dy,
                        const real* x) const;
};

/// A linear layer on `rows` rows: x [rows, in], W [out, in], b [out] or none, y [rows, out].
struct LinearPart {
  Var weight, bias;
  int64_t in, out;

  /// y = x W^T + b, or base + x W^T + b; `base` has y's shape.
  void forward(Tape& tape, int64_t rows, const real* x, real* y, const real* base = nullptr) const;
  /// dx = dy W, or dx += dy W.
  void backward_input(Tape& tape, int64_t rows, const real* dy, real* dx, bool add = false) const;
  LayerGradients gradients(Tape& tape) const { return layer_gradients(tape, {weight, bias}); }
  void backward_weights(Tape& tape, const LayerGradients& gradients, int64_t rows, const real* dy,
                        const real* x) const;

 private:
  MatrixPart matrix() const { return {weight, 0, out, in}; }
};

/// Checks the shapes of a layer on inputs of width `in`; errors call its two parameters by these names.
LinearPart linear_part(Tape& tape, const char* weight_name, Var weight, const char* bias_name, Var bias,
                       int64_t in);

/// The activation between the layers of an MLP, on x [rows, width].
class ActivationPart {
 public:
  explicit ActivationPart(Activation activation);
  /// y = f(x); y may be x.
  void forward(Tape& tape, int64_t rows, int64_t width, const real* x, real* y) const;
  /// dx = dy f'(x), and y = f(x) once more, of `count` numbers; dx may be dy.
  void backward(int64_t count, const real* x, const real* dy, real* dx, real* y) const {
    backward_(count, x, dy, dx, false, y);
  }

 private:
  void (*forward_)(int64_t n, const real* x, real* y);
  void (*backward_)(int64_t n, const real* x, const real* dy, real* dx, bool add, real* y);
};

}  // namespace vmoe
