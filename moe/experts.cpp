#include "moe/experts.h"

#include "autograd/ops.h"
#include "nn/dropout.h"

namespace vmoe {

Experts::Experts(ParameterStore& store, const std::string& name, const VitConfig& config, int experts,
                 int layer)
    : activation(config.activation), dropout_rate(config.dropout), layer(layer) {
  const int64_t dim = config.dim, hidden = config.mlp_dim;
  const Init init = Init::glorot(dim, hidden);
  fc1_weight = store.add(name + ".fc1.weight", {experts, hidden, dim}, Role::weight, init, experts);
  fc1_bias = store.add(name + ".fc1.bias", {experts, hidden}, Role::bias, Init::zeros(), experts);
  fc2_weight = store.add(name + ".fc2.weight", {experts, dim, hidden}, Role::weight, init, experts);
  fc2_bias = store.add(name + ".fc2.bias", {experts, dim}, Role::bias, Init::zeros(), experts);
}

Var Experts::forward(Pass& pass, Var x, const Routing& routing, Var base) const {
  Tape& tape = pass.tape;
  if (pass.training && dropout_rate > 0) {
    const Var y = with_dropout(pass, x, routing);
    return base ? add(tape, base, y) : y;
  }
  return expert_mlp(tape, base, x, routing.gate, routing.unit, routing.first, routing.units,
                    {tape.parameter(fc1_weight), tape.parameter(fc1_bias)}, activation,
                    {tape.parameter(fc2_weight), tape.parameter(fc2_bias)});
}

Var Experts::with_dropout(Pass& pass, Var x, const Routing& routing) const {
  Tape& tape = pass.tape;
  const Shape shape = tape.value(x).shape;
  const int64_t units = routing.units, dim = shape[2], assigned = routing.unit.count();
  const int64_t per_image = units / shape[0], tokens = shape[1] / per_image;  // tokens of a unit

  // Token rows instead of units: expert e has the rows first_row[e] .. first_row[e + 1] - 1.
  int* first_row = tape.arena().allocate<int>(routing.first.count());
  for (int64_t e = 0; e < routing.first.count(); ++e)
    first_row[e] = static_cast<int>(routing.first[e] * tokens);
  const View<const int> first{first_row, routing.first.shape};

  const Var rows = gather_rows(tape, reshape(tape, x, {units, tokens * dim}), routing.unit);
  Var hidden = expert_linear(tape, reshape(tape, rows, {assigned * tokens, dim}), tape.parameter(fc1_weight),
                             tape.parameter(fc1_bias), first);
  hidden = activate(pass, activation, hidden);
  const Shape flat = tape.value(hidden).shape;
  hidden = reshape(tape, hidden, {assigned, tokens * flat[1]});
  hidden = reshape(tape, dropout(pass, hidden, dropout_rate, layer, routing.unit, per_image), flat);
  const Var out = expert_linear(tape, hidden, tape.parameter(fc2_weight), tape.parameter(fc2_bias), first);
  const Var y =
      combine_rows(tape, reshape(tape, out, {assigned, tokens * dim}), routing.gate, routing.unit, units);
  return reshape(tape, y, shape);
}

}  // namespace vmoe
