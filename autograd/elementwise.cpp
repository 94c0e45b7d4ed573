// Ops that work number by number, or broadcast one factor over the rest.

#include "autograd/ops.h"
#include "autograd/pass_on.h"
#include "tensor/kernels/kernels.h"

namespace vmoe {

namespace {

// Numbers behind one index of the first dimension.
int64_t per_image(const Tensor& x) {
  return x.dim(0) == 0 ? 0 : x.count() / x.dim(0);
}

// y = f(x)         dx += dy f'(x)
Var activation(Tape& tape, Var x, void (*forward)(int64_t n, const real* x, real* y),
               void (*backward)(int64_t n, const real* x, const real* dy, real* dx, bool add)) {
  const Tensor X = tape.value(x), y = tape.allocate(X.shape);
  forward(y.count(), X.data, y.data);
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const auto [dx, fresh] = tape.grad_target(x);
    backward(dy.count(), X.data, dy.data, dx.data, !fresh);
  });
}

}  // namespace

// y = a + b        da += dy, db += dy
Var add(Tape& tape, Var a, Var b) {
  const Tensor A = tape.value(a), B = tape.value(b);
  require_shape("add", B.shape, A.shape);
  const Tensor y = tape.allocate(A.shape);
  kernels().add(y.count(), A.data, B.data, y.data);
  return tape.record(y, {a, b}, [=](Tape& tape, Tensor dy) {
    pass_on(tape, a, dy);
    pass_on(tape, b, dy);
  });
}

// y = a * b        da += dy * b, db += dy * a
Var mul(Tape& tape, Var a, Var b) {
  const Tensor A = tape.value(a), B = tape.value(b);
  require_shape("mul", B.shape, A.shape);
  const Tensor y = tape.allocate(A.shape);
  kernels().mul(y.count(), A.data, B.data, y.data, false);
  return tape.record(y, {a, b}, [=](Tape& tape, Tensor dy) {
    for (const auto& [x, other] : {std::pair{a, B}, std::pair{b, A}}) {
      if (!tape.wants_grad(x)) continue;
      const auto [dx, fresh] = tape.grad_target(x);
      kernels().mul(dy.count(), dy.data, other.data, dx.data, !fresh);
    }
  });
}

// y = factor * x   dx += factor * dy
Var scale(Tape& tape, Var x, real factor) {
  const Tensor X = tape.value(x), y = tape.allocate(X.shape);
  kernels().scale(y.count(), factor, X.data, y.data);
  return tape.record(
      y, {x}, [=](Tape& tape, Tensor dy) { kernels().axpy(dy.count(), factor, dy.data, tape.grad(x).data); });
}

// y[b] = x[b] + p  dx += dy, dp += sum over b of dy[b]
Var add_positions(Tape& tape, Var x, Var p) {
  const Tensor X = tape.value(x), P = tape.value(p), y = tape.allocate(X.shape);
  require_shape("add_positions", P.shape, View<real>{nullptr, X.shape}.row(0).shape);
  const int64_t size = P.count();
  for (int64_t b = 0; b < X.dim(0); ++b) kernels().add(size, X.data + b * size, P.data, y.data + b * size);
  return tape.record(y, {x, p}, [=](Tape& tape, Tensor dy) {
    pass_on(tape, x, dy);
    if (tape.wants_grad(p)) kernels().add_rows(dy.dim(0), size, dy.data, tape.grad(p).data);
  });
}

// y[r, d] = x[r, d] gain[d]      dx += dy gain, dgain[d] += sum over r of dy[r, d] x[r, d]
Var scale_channels(Tape& tape, Var x, Var gain) {
  const Tensor X = tape.value(x), G = tape.value(gain), y = tape.allocate(X.shape);
  const int64_t rows = X.shape.rows(), width = X.dim(-1);
  require_shape("scale_channels", G.shape, {width});
  for (int64_t r = 0; r < rows; ++r)
    kernels().mul(width, X.data + r * width, G.data, y.data + r * width, false);
  return tape.record(y, {x, gain}, [=](Tape& tape, Tensor dy) {
    if (tape.wants_grad(x)) {
      const auto [dx, fresh] = tape.grad_target(x);
      for (int64_t i = 0; i < dy.count(); i += width) {
        kernels().mul(width, dy.data + i, G.data, dx.data + i, !fresh);
      }
    }
    if (tape.wants_grad(gain)) {
      const Tensor dgain = tape.grad(gain);
      for (int64_t i = 0; i < dy.count(); i += width)
        kernels().mul(width, dy.data + i, X.data + i, dgain.data, true);
    }
  });
}

// y[b] = x[b] factor[b]          dx[b] += dy[b] factor[b], dfactor[b] += <dy[b], x[b]>
Var scale_images(Tape& tape, Var x, Var factor) {
  const Tensor X = tape.value(x), F = tape.value(factor), y = tape.allocate(X.shape);
  require_shape("scale_images", F.shape, {X.dim(0)});
  const int64_t size = per_image(X);
  for (int64_t b = 0; b < X.dim(0); ++b) kernels().scale(size, F[b], X.data + b * size, y.data + b * size);
  return tape.record(y, {x, factor}, [=](Tape& tape, Tensor dy) {
    if (tape.wants_grad(x)) {
      const Tensor dx = tape.grad(x);
      for (int64_t b = 0; b < dy.dim(0); ++b)
        kernels().axpy(size, F[b], dy.data + b * size, dx.data + b * size);
    }
    if (tape.wants_grad(factor)) {
      const Tensor dfactor = tape.grad(factor);
      for (int64_t b = 0; b < dy.dim(0); ++b)
        dfactor[b] += kernels().dot(size, dy.data + b * size, X.data + b * size);
    }
  });
}

// y = max(x, 0)    dx += dy where x > 0
Var relu(Tape& tape, Var x) {
  return activation(tape, x, kernels().relu, kernels().relu_backward);
}

// y = x Phi(x)     dx += dy (Phi(x) + x phi(x))
Var gelu(Tape& tape, Var x) {
  return activation(tape, x, kernels().gelu,
                    [](int64_t n, const real* x, const real* dy, real* dx, bool add) {
                      kernels().gelu_backward(n, x, dy, dx, add, nullptr);
                    });
}

// y = x (1 + tanh(u)) / 2,  u = sqrt(2 / pi) (x + 0.044715 x^3)
// dx += dy ((1 + tanh(u)) / 2 + x (1 - tanh(u)^2) u' / 2)
Var gelu_tanh(Tape& tape, Var x) {
  return activation(tape, x, kernels().gelu_tanh,
                    [](int64_t n, const real* x, const real* dy, real* dx, bool add) {
                      kernels().gelu_tanh_backward(n, x, dy, dx, add, nullptr);
                    });
}

Var reshape(Tape& tape, Var x, const Shape& shape) {
  return tape.record(tape.value(x).reshape(shape), {x}, [=](Tape& tape, Tensor dy) { pass_on(tape, x, dy); });
}

}  // namespace vmoe
