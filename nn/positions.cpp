#include "nn/positions.h"

#include "autograd/ops.h"
#include "tensor/math.h"

namespace vmoe {

std::vector<double> sincos_positions(int side, int dim) {
  const int quarter = dim / 4;
  std::vector<double> frequency(quarter);
  for (int i = 0; i < quarter; ++i) frequency[i] = math::pow(10000, -static_cast<double>(i) / quarter);
  std::vector<double> table;
  table.reserve(static_cast<size_t>(side) * side * dim);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      for (const int coordinate : {x, y}) {
        for (const double w : frequency) table.push_back(math::sin(coordinate * w));
        for (const double w : frequency) table.push_back(math::cos(coordinate * w));
      }
    }
  }
  return table;
}

PositionEmbedding::PositionEmbedding(ParameterStore& store, const VitConfig& config)
    : tokens(config.tokens()), dim(config.dim) {
  if (config.positions == Positions::learned) {
    learned = store.add("pos_embed", {1, tokens, dim}, Role::position, Init::truncated_normal(0.02));
  }
  if (config.positions == Positions::sincos) {
    const std::vector<double> grid = sincos_positions(config.grid(), config.dim);
    fixed.assign(config.has_class_token() ? dim : 0, real{0});
    for (const double value : grid) fixed.push_back(static_cast<real>(value));
  }
}

Var PositionEmbedding::forward(Pass& pass, Var x) const {
  Tape& tape = pass.tape;
  const Shape shape{tokens, dim};
  if (learned) return add_positions(tape, x, reshape(tape, tape.parameter(learned), shape));
  // The tape never writes into a constant; its type has no "read only" form.
  if (!fixed.empty()) return add_positions(tape, x, tape.constant({const_cast<real*>(fixed.data()), shape}));
  return x;
}

}  // namespace vmoe
