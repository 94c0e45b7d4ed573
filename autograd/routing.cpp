// What experts need: rows gathered by expert, grouped linear layers, rows combined with their gates.

#include <algorithm>
#include <string>

#include "autograd/ops.h"
#include "tensor/matmul.h"

namespace vmoe {

namespace {

// Every index must name one of the `count` rows or columns of x; any other would read or write beside it.
void require_indices(const char* where, View<const int> index, int64_t count, const Shape& x) {
  for (int64_t a = 0; a < index.count(); ++a) {
    if (index[a] >= 0 && index[a] < count) continue;
    throw ShapeError(std::string(where) + "[" + std::to_string(a) + "] is " + std::to_string(index[a]) +
                     ", expected at least 0 and below " + std::to_string(count) + " for shape " +
                     to_string(x));
  }
}

}  // namespace

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

// For the rows of expert e:  y = x W_e^T + b_e        dx += dy W_e,  dW_e += dy^T x,  db_e += sum over rows
// of dy
Var expert_linear(Tape& tape, Var x, Var weight, Var bias, View<const int> first) {
  const Tensor X = tape.value(x), W = tape.value(weight);
  const int64_t experts = W.dim(0), out = W.dim(1), in = W.dim(2), rows = X.dim(0);
  require_shape("expert_linear: first", first.shape, {experts + 1});
  for (int64_t e = 0; e < experts; ++e) {
    if (first[e] >= 0 && first[e] <= first[e + 1]) continue;
    throw ShapeError("expert_linear: first[" + std::to_string(e) + "] is " + std::to_string(first[e]) +
                     ", expected 0 to first[" + std::to_string(e + 1) + "], which is " +
                     std::to_string(first[e + 1]));
  }
  require_shape("expert_linear: x", X.shape, {first[experts], in});
  require_shape("expert_linear: bias", tape.value(bias).shape, {experts, out});
  const Tensor y = tape.allocate({rows, out});
  const real* const biases = tape.value(bias).data;
  const auto rows_of = [=](int64_t e) { return int64_t{first[e + 1]} - first[e]; };
  for (int64_t e = 0; e < experts; ++e) {
    if (rows_of(e) == 0) continue;
    const PackedWeight* packed = tape.packed_expert(weight, static_cast<int>(e));
    if (packed && packed->narrow) {
      multiply(tape.arena(), tape.team(), *packed->narrow,
               {rows_of(e), out, in, X.data + first[e] * in, packed->codes + e * packed->codes_stride,
                y.data + first[e] * out, biases + e * out});
      continue;
    }
    const real* panels = packed ? packed->forward + e * packed->forward_stride
                                : pack_in(tape.arena(), in, out, {W.row(e).data, 1, in});
    multiply(tape.team(), {.m = rows_of(e),
                           .n = out,
                           .k = in,
                           .a = X.data + first[e] * in,
                           .a_row = in,
                           .a_column = 1,
                           .b = panels,
                           .c = y.data + first[e] * out,
                           .c_row = out,
                           .add = false,
                           .bias = biases + e * out});
  }
  return tape.record(y, {x, weight, bias}, [=](Tape& tape, Tensor dy) {
    const PackedWeight* packed = tape.packed(weight);
    const auto [dx, fresh] = tape.grad_target(x);  // of a constant: computed and ignored
    for (int64_t e = 0; e < experts; ++e) {
      if (rows_of(e) == 0) continue;
      const real *x_rows = X.data + first[e] * in, *dy_rows = dy.data + first[e] * out;
      const real* panels = packed && packed->backward
                               ? packed->backward + e * packed->backward_stride
                               : pack_in(tape.arena(), out, in, {W.row(e).data, in, 1});
      multiply(tape.team(), {.m = rows_of(e),
                             .n = in,
                             .k = out,
                             .a = dy_rows,
                             .a_row = out,
                             .a_column = 1,
                             .b = panels,
                             .c = dx.data + first[e] * in,
                             .c_row = in,
                             .add = !fresh,
                             .bias = nullptr});
      if (tape.wants_grad(weight)) {
        const auto [dw, fresh_dw] = tape.expert_grad_target(weight, static_cast<int>(e));
        weight_gradient(tape.arena(), rows_of(e), out, in, dy_rows, x_rows, dw.data, !fresh_dw);
      }
      if (tape.wants_grad(bias)) {
        kernels().add_rows(rows_of(e), out, dy_rows, tape.expert_grad(bias, e).data);
      }
    }
  });
}

}  // namespace vmoe
