#include "nn/linear.h"

#include "autograd/ops.h"

namespace vmoe {

Linear::Linear(ParameterStore& store, const std::string& name, int64_t in, int64_t out, bool with_bias)
    : weight(store.add(name + ".weight", {out, in}, Role::weight, Init::glorot(in, out))) {
  if (with_bias) bias = store.add(name + ".bias", {out}, Role::bias, Init::zeros());
}

Var Linear::forward(Pass& pass, Var x) const {
  Tape& tape = pass.tape;
  return linear(tape, x, tape.parameter(weight), bias ? tape.parameter(bias) : Var{});
}

}  // namespace vmoe
