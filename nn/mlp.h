#pragma once
// The feed-forward network of a block.

#include <string>

#include "autograd/ops.h"
#include "nn/config.h"
#include "nn/linear.h"

namespace vmoe {

/// GELU, exact or by its tanh approximation.
Var activate(Pass& pass, Activation activation, Var x);

/// y = fc2(gelu(fc1(x))): x [B, T, D] -> [B, T, D] over a hidden width of `config.mlp_dim`; dropout after the
/// activation. Parameters NAME.fc1 and NAME.fc2. `layer` is the dropout's number.
struct Mlp {
  Linear fc1, fc2;
  Activation activation;
  double dropout_rate;
  int layer;

  Mlp(ParameterStore& store, const std::string& name, const VitConfig& config, int layer);
  Var forward(Pass& pass, Var x) const;
  /// x + y(norm(x)) as one op, for passes without dropout.
  Var branch(Pass& pass, NormInputs norm, Var x) const;
};

}  // namespace vmoe
