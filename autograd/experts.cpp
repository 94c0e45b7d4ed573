// Experts' layers: for the rows, or units, that a router has sorted by expert.

#include <algorithm>
#include <string>

#include "autograd/linear_parts.h"
#include "autograd/ops.h"
#include "autograd/pass_on.h"
#include "autograd/routing_checks.h"
#include "autograd/row_blocks.h"
#include "tensor/scratch.h"

namespace vmoe {

// For the rows of expert e:  y = x W_e^T + b_e
// dx += dy W_e,  dW_e += dy^T x,  db_e += sum over rows of dy
Var expert_linear(Tape& tape, Var x, Var weight, Var bias, View<const int> first) {
  const Tensor X = tape.value(x), W = tape.value(weight);
  const int64_t experts = W.dim(0), out = W.dim(1), in = W.dim(2), rows = X.dim(0);
  require_ranges("expert_linear: first", first, experts, rows);
  require_shape("expert_linear: x", X.shape, {rows, in});
  require_shape("expert_linear: bias", tape.value(bias).shape, {experts, out});
  const Tensor y = tape.allocate({rows, out});
  const real* const biases = tape.value(bias).data;
  const auto rows_of = [=](int64_t e) { return int64_t{first[e + 1]} - first[e]; };
  const auto matrix = [=](int64_t e) { return MatrixPart{weight, e, out, in}; };
  for (int64_t e = 0; e < experts; ++e) {
    if (rows_of(e) == 0) continue;
    matrix(e).forward(tape, rows_of(e), X.data + first[e] * in, biases + e * out, nullptr,
                      y.data + first[e] * out);
  }
  return tape.record(y, {x, weight, bias}, [=](Tape& tape, Tensor dy) {
    const auto [dx, fresh] = tape.grad_target(x);  // of a constant: computed and ignored
    for (int64_t e = 0; e < experts; ++e) {
      if (rows_of(e) == 0) continue;
      const real *x_rows = X.data + first[e] * in, *dy_rows = dy.data + first[e] * out;
      matrix(e).backward_input(tape, rows_of(e), dy_rows, dx.data + first[e] * in, !fresh);
      matrix(e).backward_weights(tape, expert_gradients(tape, {weight, bias}, static_cast<int>(e)),
                                 rows_of(e), dy_rows, x_rows);
    }
  });
}

namespace {

// Experts' MLPs on units of `rows` rows each: which rows pass which expert, and its two matrices.
struct ExpertRows {
  View<const int> unit, first;
  int64_t rows, width, hidden;
  LinearInputs fc1, fc2;

  int64_t unit_size() const { return rows * width; }
  MatrixPart up(int64_t e) const { return {fc1.weight, e, hidden, width}; }
  MatrixPart down(int64_t e) const { return {fc2.weight, e, width, hidden}; }

  // The rows of assignments a .. a + count - 1 side by side: of one unit as they lie in x, else copied.
  const real* gather(int64_t a, int64_t count, const real* x, real* room) const {
    if (count == 1) return x + unit[a] * unit_size();
    for (int64_t i = 0; i < count; ++i)
      std::copy_n(x + unit[a + i] * unit_size(), unit_size(), room + i * unit_size());
    return room;
  }

  // Where the gradients of one expert's parameters go; null for one that wants none.
  struct Gradients {
    LayerGradients up, down;
  };
  // Those of all experts with rows, to be asked for before any scratch memory.
  const Gradients* gradients(Tape& tape) const {
    const int experts = static_cast<int>(first.count()) - 1;
    Gradients* all = tape.arena().allocate<Gradients>(experts);
    for (int e = 0; e < experts; ++e) {
      if (first[e] < first[e + 1]) all[e] = {expert_gradients(tape, fc1, e), expert_gradients(tape, fc2, e)};
    }
    return all;
  }
};

}  // namespace

// For assignment a of unit u and expert e:
//   z = x[u] W1_e^T + b1_e,  h = activation(z),  o = h W2_e^T + b2_e,  y[u] += gate[a] o
//   dgate[a] += <dy[u], o>,  do = gate[a] dy[u],  dz = (do W2_e) activation'(z),  dx[u] += dz W1_e
//   dW2_e += do^T h,  dW1_e += dz^T x[u],  biases by the sums of the same rows
Var expert_mlp(Tape& tape, Var base, Var x, Var gate, View<const int> unit, View<const int> first,
               int64_t units, LinearInputs fc1, Activation activation, LinearInputs fc2) {
  const Tensor X = tape.value(x), G = tape.value(gate), W1 = tape.value(fc1.weight);
  const int64_t assignments = unit.count(), width = X.dim(-1), all_rows = X.shape.rows();
  const int64_t experts = W1.dim(0), hidden = W1.dim(1);
  if (units < 1 || all_rows % units != 0) {
    throw ShapeError("expert_mlp: x " + to_string(X.shape) + " cannot be cut into " + std::to_string(units) +
                     " units of whole rows");
  }
  if (base) require_shape("expert_mlp: base", tape.value(base).shape, X.shape);
  require_shape("expert_mlp: gate", G.shape, {assignments});
  require_indices("expert_mlp: unit", unit, units, X.shape);
  require_ranges("expert_mlp: first", first, experts, assignments);
  require_shape("expert_mlp: fc1.weight", W1.shape, {experts, hidden, width});
  require_shape("expert_mlp: fc1.bias", tape.value(fc1.bias).shape, {experts, hidden});
  require_shape("expert_mlp: fc2.weight", tape.value(fc2.weight).shape, {experts, width, hidden});
  require_shape("expert_mlp: fc2.bias", tape.value(fc2.bias).shape, {experts, width});

  const ExpertRows part{unit, first, all_rows / units, width, hidden, fc1, fc2};
  const int64_t rows = part.rows, unit_size = part.unit_size(), hidden_size = rows * hidden;
  const ActivationPart activate(activation);
  const Tensor y = tape.allocate(X.shape);
  if (base) {
    kernels().scale(y.count(), 1, tape.value(base).data, y.data);
  } else {
    std::fill(y.begin(), y.end(), real{0});
  }
  const bool keep = tape.recording();  // z and o, for the backward pass
  real* const z = keep ? tape.arena().allocate<real>(assignments * hidden_size) : nullptr;
  real* const o = keep ? tape.arena().allocate<real>(assignments * unit_size) : nullptr;
  {
    Scratch scratch(tape.arena());
    const int64_t most = std::max<int64_t>(1, kRowBlock / std::max<int64_t>(1, rows)),
                  room = std::min(most, assignments);
    real *x_rows = scratch.numbers(room * unit_size), *h = scratch.numbers(room * hidden_size),
         *o_rows = scratch.numbers(room * unit_size);
    for (int64_t e = 0; e < experts; ++e) {
      const int64_t block = even_block(first[e + 1] - first[e], most);
      for (int64_t a = first[e]; a < first[e + 1]; a += block) {
        const int64_t count = std::min(first[e + 1] - a, block), some = count * rows;
        real *some_z = keep ? z + a * hidden_size : h, *some_o = keep ? o + a * unit_size : o_rows;
        part.up(e).forward(tape, some, part.gather(a, count, X.data, x_rows),
                           tape.value(fc1.bias).data + e * hidden, nullptr, some_z);
        activate.forward(tape, some, hidden, some_z, h);
        part.down(e).forward(tape, some, h, tape.value(fc2.bias).data + e * width, nullptr, some_o);
        for (int64_t i = 0; i < count; ++i)
          kernels().axpy(unit_size, G[a + i], some_o + i * unit_size, y.data + unit[a + i] * unit_size);
      }
    }
  }
  return tape.record(
      y, {base, x, gate, fc1.weight, fc1.bias, fc2.weight, fc2.bias}, [=](Tape& tape, Tensor dy) {
        pass_on(tape, base, dy);
        real* const dx = tape.wants_grad(x) ? tape.grad(x).data : nullptr;
        real* const dgate = tape.wants_grad(gate) ? tape.grad(gate).data : nullptr;
        const ExpertRows::Gradients* to = part.gradients(tape);
        // Room for all rows, though it is used by one expert after the other, and for what a product of all
        // rows would pack: what a chunk takes must not depend on where its units go.
        Scratch scratch(tape.arena());
        real *h = scratch.numbers(assignments * hidden_size),
             *dz = scratch.numbers(assignments * hidden_size);
        real *d_o = scratch.numbers(assignments * unit_size), *dx_rows = d_o,
             *x_room = scratch.numbers(assignments * unit_size);
        {
          Scratch of_products(tape.arena());
          of_products.numbers(kernels().packed_size(assignments * rows, std::max(hidden, width)));
        }
        for (int64_t e = 0; e < experts; ++e) {
          const int64_t from = first[e], count = first[e + 1] - from, some = count * rows;
          if (count == 0) continue;
          for (int64_t i = 0; i < count; ++i) {
            const real* d = dy.data + unit[from + i] * unit_size;
            kernels().scale(unit_size, G[from + i], d, d_o + i * unit_size);
            if (dgate) dgate[from + i] += kernels().dot(unit_size, d, o + (from + i) * unit_size);
          }
          part.down(e).backward_input(tape, some, d_o, dz, false);
          activate.backward(some * hidden, z + from * hidden_size, dz, dz, h);
          part.down(e).backward_weights(tape, to[e].down, some, d_o, h);
          part.up(e).backward_weights(tape, to[e].up, some, dz, part.gather(from, count, X.data, x_room));
          if (!dx) continue;
          if (count == 1) {
            part.up(e).backward_input(tape, some, dz, dx + unit[from] * unit_size, true);
            continue;
          }
          part.up(e).backward_input(tape, some, dz, dx_rows, false);
          for (int64_t i = 0; i < count; ++i)
            kernels().axpy(unit_size, 1, dx_rows + i * unit_size, dx + unit[from + i] * unit_size);
        }
      });
}

}  // namespace vmoe
