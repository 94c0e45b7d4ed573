#include "nn/linear.h"

namespace vmoe {

Linear::Linear(ParameterStore& store, const std::string& name, int64_t in, int64_t out, bool with_bias)
    : weight(store.add(name + ".weight", {out, in}, Role::weight, Init::glorot(in, out))) {
  if (with_bias) bias = store.add(name + ".bias", {out}, Role::bias, Init::zeros());
}

Var Linear::forward(Pass& pass, Var x) const {
  const LinearInputs in = inputs(pass);
  return linear(pass.tape, x, in.weight, in.bias);
}

LinearInputs Linear::inputs(Pass& pass) const {
  return {pass.tape.parameter(weight), bias ? pass.tape.parameter(bias) : Var{}};
}

}  // namespace vmoe
