// Softmax, its logarithm, cross entropy, and the sum that ends a graph.

#include <cmath>

#include "autograd/ops.h"
#include "tensor/kernels/kernels.h"
#include "tensor/math.h"

namespace vmoe {

// y = e^x / sum e^x per row        dx += y (dy - <dy, y>)
Var softmax(Tape& tape, Var x) {
  const Tensor X = tape.value(x), y = tape.allocate(X.shape);
  const int64_t rows = X.shape.rows(), n = X.dim(-1);
  kernels().softmax(rows, n, n, 1, X.data, y.data);
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const auto [dx, fresh] = tape.grad_target(x);
    kernels().softmax_backward(rows, n, n, 1, y.data, dy.data, dx.data, !fresh);
  });
}

namespace {

// log sum_n e^(x_n), with the largest x taken out so that nothing overflows. Rows here are short and few.
double log_sum_exp(const real* x, int64_t n) {
  double most = x[0], sum = 0;
  for (int64_t i = 1; i < n; ++i) most = x[i] > most ? x[i] : most;
  for (int64_t i = 0; i < n; ++i) sum += math::exp(x[i] - most);
  return most + math::log(sum);
}

}  // namespace

// y = x - log sum e^x per row      dx += dy - e^y sum(dy)
Var log_softmax(Tape& tape, Var x) {
  const Tensor X = tape.value(x), y = tape.allocate(X.shape);
  const int64_t rows = X.shape.rows(), n = X.dim(-1);
  for (int64_t r = 0; r < rows; ++r) {
    const double norm = log_sum_exp(X.data + r * n, n);
    for (int64_t i = r * n; i < (r + 1) * n; ++i) y[i] = static_cast<real>(X[i] - norm);
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t r = 0; r < rows; ++r) {
      real total = 0;
      for (int64_t i = r * n; i < (r + 1) * n; ++i) total += dy[i];
      for (int64_t i = r * n; i < (r + 1) * n; ++i)
        dx[i] += dy[i] - static_cast<real>(math::exp(y[i])) * total;
    }
  });
}

// L = sum_r sum_n q[r, n] (log sum_m e^z[r, m] - z[r, n])
// dz += dL (softmax(z) - q), as rows of q sum to 1
Var softmax_cross_entropy(Tape& tape, Var logits, Tensor targets) {
  const Tensor Z = tape.value(logits), loss = tape.allocate({});
  require_shape("softmax_cross_entropy: targets", targets.shape, Z.shape);
  const int64_t rows = Z.shape.rows(), n = Z.dim(-1);
  double total = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const real *z = Z.data + r * n, *q = targets.data + r * n;
    const double norm = log_sum_exp(z, n);
    for (int64_t i = 0; i < n; ++i) {
      if (q[i] != 0) total += q[i] * (norm - z[i]);  // 0 * infinity is 0 here: a class without weight
    }
  }
  loss[0] = static_cast<real>(total);
  return tape.record(loss, {logits}, [=](Tape& tape, Tensor dloss) {
    const Tensor dz = tape.grad(logits), p = tape.allocate(Z.shape);
    kernels().softmax(rows, n, n, 1, Z.data, p.data);
    for (int64_t i = 0; i < dz.count(); ++i) dz[i] += dloss[0] * (p[i] - targets[i]);
  });
}

// y = sum of x     dx += dy
Var sum(Tape& tape, Var x) {
  const Tensor X = tape.value(x), y = tape.allocate({});
  y[0] = 0;
  for (const real value : X) y[0] += value;
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    for (real& d : tape.grad(x)) d += dy[0];
  });
}

}  // namespace vmoe
