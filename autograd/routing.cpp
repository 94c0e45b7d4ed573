// What stands around experts: rows gathered by expert, and combined with their gates.

#include <algorithm>
#include <string>

#include "autograd/ops.h"
#include "autograd/routing_checks.h"

namespace vmoe {

// y[a] = x[index[a]]        dx[index[a]] += dy[a]
Var gather_rows(Tape& tape, Var x, View<const int> index) {
  const Tensor X = tape.value(x);
  const int64_t assignments = index.count(), width = X.dim(1);
  require_shape("gather_rows: x", X.shape, {X.dim(0), width});
  require_indices("gather_rows: index", index, X.dim(0), X.shape);
  const Tensor y = tape.allocate({assignments, width});
  for (int64_t a = 0; a < assignments; ++a) {
    kernels().scale(width, 1, X.data + index[a] * width, y.data + a * width);
  }
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(x);
    for (int64_t a = 0; a < assignments; ++a) {
      kernels().axpy(width, 1, dy.data + a * width, dx.data + index[a] * width);
    }
  });
}

// y[a] = p[row[a], column[a]]        dp[row[a], column[a]] += dy[a]
Var gather_entries(Tape& tape, Var p, View<const int> row, View<const int> column) {
  const Tensor P = tape.value(p);
  const int64_t assignments = row.count(), width = P.dim(1);
  require_shape("gather_entries: p", P.shape, {P.dim(0), width});
  require_shape("gather_entries: column", column.shape, row.shape);
  require_indices("gather_entries: row", row, P.dim(0), P.shape);
  require_indices("gather_entries: column", column, width, P.shape);
  const Tensor y = tape.allocate({assignments});
  for (int64_t a = 0; a < assignments; ++a) y[a] = P[row[a] * width + column[a]];
  return tape.record(y, {p}, [=](Tape& tape, Tensor dy) {
    const Tensor dp = tape.grad(p);
    for (int64_t a = 0; a < assignments; ++a) dp[row[a] * width + column[a]] += dy[a];
  });
}

// y[r] = sum over a with index[a] = r of gate[a] x[a]
// dx[a] += gate[a] dy[index[a]]        dgate[a] += <dy[index[a]], x[a]>
Var combine_rows(Tape& tape, Var x, Var gate, View<const int> index, int64_t rows) {
  const Tensor X = tape.value(x), G = tape.value(gate);
  const int64_t assignments = index.count(), width = X.dim(1);
  require_shape("combine_rows: x", X.shape, {assignments, width});
  require_shape("combine_rows: gate", G.shape, {assignments});
  require_indices("combine_rows: index", index, rows, {rows, width});
  const Tensor y = tape.allocate({rows, width});
  std::fill(y.begin(), y.end(), real{0});
  for (int64_t a = 0; a < assignments; ++a) {
    kernels().axpy(width, G[a], X.data + a * width, y.data + index[a] * width);
  }
  return tape.record(y, {x, gate}, [=](Tape& tape, Tensor dy) {
    for (int64_t a = 0; a < assignments; ++a) {
      const real *d = dy.data + index[a] * width, *row = X.data + a * width;
      if (tape.wants_grad(x)) kernels().axpy(width, G[a], d, tape.grad(x).data + a * width);
      if (tape.wants_grad(gate)) tape.grad(gate)[a] += kernels().dot(width, d, row);
    }
  });
}

}  // namespace vmoe
