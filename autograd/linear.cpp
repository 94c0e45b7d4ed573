// Linear layers and batched products.

#include "autograd/linear_parts.h"
#include "autograd/ops.h"
#include "tensor/scratch.h"

namespace vmoe {

namespace {

// x's shape with another last dimension.
Shape with_last(const Shape& shape, int64_t last) {
  switch (shape.rank()) {
    case 1:
      return {last};
    case 2:
      return {shape[0], last};
    case 3:
      return {shape[0], shape[1], last};
    default:
      return {shape[0], shape[1], shape[2], last};
  }
}

}  // namespace

Var linear(Tape& tape, Var x, Var weight, Var bias) {
  const Tensor X = tape.value(x);
  const int64_t rows = X.shape.rows();
  const LinearPart layer = linear_part(tape, "linear: weight", weight, "linear: bias", bias, X.dim(-1));
  const Tensor y = tape.allocate(with_last(X.shape, layer.out));
  layer.forward(tape, rows, X.data, y.data);
  return tape.record(y, {x, weight, bias}, [=](Tape& tape, Tensor dy) {
    if (tape.wants_grad(x)) {
      const auto [dx, fresh] = tape.grad_target(x);
      layer.backward_input(tape, rows, dy.data, dx.data, !fresh);
    }
    layer.backward_weights(tape, layer.gradients(tape), rows, dy.data, X.data);
  });
}

namespace {

// C [m, n] (+)= A B for one item of a batch.
void product(Arena& arena, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, real* c, bool add) {
  Scratch scratch(arena);
  multiply_once(scratch.numbers(kernels().packed_size(k, n)), m, n, k, a, b, c, n, add);
}

// C = A B per item; B is stored [N, K] if `b_transposed`.
// dA += dC B^T      dB += A^T dC   (stored transposed: dB^T += dC^T A)
Var batched_product(Tape& tape, const char* name, Var a, Var b, bool b_transposed) {
  const Tensor A = tape.value(a), B = tape.value(b);
  const int64_t batch = A.dim(0), m = A.dim(1), k = A.dim(2), n = b_transposed ? B.dim(1) : B.dim(2);
  require_shape(name, B.shape, b_transposed ? Shape{batch, n, k} : Shape{batch, k, n});
  const Tensor c = tape.allocate({batch, m, n});
  const auto b_item = [=](int64_t i) {
    return b_transposed ? Matrix{B.data + i * n * k, 1, k} : Matrix{B.data + i * n * k, n, 1};
  };
  const auto a_item = [=](int64_t i) { return Matrix{A.data + i * m * k, k, 1}; };
  for (int64_t i = 0; i < batch; ++i) {
    product(tape.arena(), m, n, k, a_item(i), b_item(i), c.data + i * m * n, false);
  }
  return tape.record(c, {a, b}, [=](Tape& tape, Tensor dc) {
    for (int64_t i = 0; i < batch; ++i) {
      const Matrix dC{dc.data + i * m * n, n, 1};
      if (tape.wants_grad(a)) {
        product(tape.arena(), m, k, n, dC, b_item(i).transposed(), tape.grad(a).data + i * m * k, true);
      }
      if (!tape.wants_grad(b)) continue;
      real* db = tape.grad(b).data + i * n * k;
      if (b_transposed) {
        product(tape.arena(), n, k, m, dC.transposed(), a_item(i), db, true);
      } else {
        product(tape.arena(), k, n, m, a_item(i).transposed(), dC, db, true);
      }
    }
  });
}

}  // namespace

Var matmul(Tape& tape, Var a, Var b) {
  return batched_product(tape, "matmul", a, b, false);
}

Var matmul_transposed(Tape& tape, Var a, Var b) {
  return batched_product(tape, "matmul_transposed", a, b, true);
}

}  // namespace vmoe
