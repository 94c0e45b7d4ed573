// Ops that take tokens of an image together or apart.

#include <algorithm>

#include "autograd/ops.h"
#include "tensor/kernels/kernels.h"

namespace vmoe {

// y[b] = 1/(T - first) sum over t >= first of x[b, t]        dx[b, t] += dy[b] / (T - first)
Var mean_tokens(Tape& tape, Var x, int first) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2), count = tokens - first;
  require_shape("mean_tokens", X.shape, {batch, tokens, width});
  if (first < 0 || count < 1)
    throw ShapeError("mean_tokens: no token from " + std::to_string(first) + " on in " + to_string(X.shape));
  const real factor = real{1} / static_cast<real>(count);
  const Tensor y = tape.allocate({batch, width});
  std::fill(y.begin(), y.end(), real{0});
  for (int64_t b = 0; b < batch; ++b) {
    kernels().add_rows(count, width, X.data + (b * tokens + first) * width, y.data + b * width);
  }
  kernels().scale(y.count(), factor, y.data, y.data);
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = first; t < tokens; ++t) {
        kernels().axpy(width, factor, dy.data + b * width, dx.data + (b * tokens + t) * width);
      }
    }
  });
}

// y[b] = x[b, index]        dx[b, index] += dy[b]
Var select_token(Tape& tape, Var x, int index) {
  const Tensor X = tape.value(x);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2);
  require_shape("select_token", X.shape, {batch, tokens, width});
  if (index < 0 || index >= tokens) {
    throw ShapeError("select_token: no token " + std::to_string(index) + " in " + to_string(X.shape));
  }
  const Tensor y = tape.allocate({batch, width});
  for (int64_t b = 0; b < batch; ++b) {
    kernels().scale(width, 1, X.data + (b * tokens + index) * width, y.data + b * width);
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t b = 0; b < batch; ++b) {
      kernels().axpy(width, 1, dy.data + b * width, dx.data + (b * tokens + index) * width);
    }
  });
}

// y[b] = token, then x[b]        dtoken += sum over b of dy[b, 0], dx[b, t] += dy[b, t + 1]
Var prepend_token(Tape& tape, Var x, Var token) {
  const Tensor X = tape.value(x), C = tape.value(token);
  const int64_t batch = X.dim(0), tokens = X.dim(1), width = X.dim(2);
  if (C.count() != width) require_shape("prepend_token: token", C.shape, {width});
  const Tensor y = tape.allocate({batch, tokens + 1, width});
  for (int64_t b = 0; b < batch; ++b) {
    real* image = y.data + b * (tokens + 1) * width;
    kernels().scale(width, 1, C.data, image);
    kernels().scale(tokens * width, 1, X.data + b * tokens * width, image + width);
  }
  return tape.record(y, {x, token}, [=](Tape& tape, Tensor dy) {
    for (int64_t b = 0; b < batch; ++b) {
      const real* image = dy.data + b * (tokens + 1) * width;
      if (tape.wants_grad(token)) kernels().axpy(width, 1, image, tape.grad(token).data);
      if (tape.wants_grad(x)) {
        kernels().axpy(tokens * width, 1, image + width, tape.grad(x).data + b * tokens * width);
      }
    }
  });
}

}  // namespace vmoe
