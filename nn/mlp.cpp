#include "nn/mlp.h"

#include "autograd/ops.h"
#include "nn/dropout.h"

namespace vmoe {

Var activate(Pass& pass, Activation activation, Var x) {
  return activation == Activation::gelu ? gelu(pass.tape, x) : gelu_tanh(pass.tape, x);
}

Mlp::Mlp(ParameterStore& store, const std::string& name, const VitConfig& config, int layer)
    : fc1(store, name + ".fc1", config.dim, config.mlp_dim),
      fc2(store, name + ".fc2", config.mlp_dim, config.dim),
      activation(config.activation),
      dropout_rate(config.dropout),
      layer(layer) {}

Var Mlp::forward(Pass& pass, Var x) const {
  const Var hidden = activate(pass, activation, fc1.forward(pass, x));
  return fc2.forward(pass, dropout(pass, hidden, dropout_rate, layer));
}

Var Mlp::branch(Pass& pass, NormInputs norm, Var x) const {
  return mlp_branch(pass.tape, x, norm, fc1.inputs(pass), activation, fc2.inputs(pass));
}

}  // namespace vmoe
