#include "nn/norm.h"

namespace vmoe {

LayerNorm::LayerNorm(ParameterStore& store, const std::string& name, int64_t dim, double eps)
    : weight(store.add(name + ".weight", {dim}, Role::norm, Init::constant(1))),
      bias(store.add(name + ".bias", {dim}, Role::norm, Init::zeros())),
      eps(static_cast<real>(eps)) {}

Var LayerNorm::forward(Pass& pass, Var x) const {
  const NormInputs in = inputs(pass);
  return layer_norm(pass.tape, x, in.gain, in.bias, in.eps);
}

NormInputs LayerNorm::inputs(Pass& pass) const {
  return {pass.tape.parameter(weight), pass.tape.parameter(bias), eps};
}

LayerScale::LayerScale(ParameterStore& store, const std::string& name, int64_t dim, double start) {
  if (start > 0) gamma = store.add(name + ".gamma", {dim}, Role::layer_scale, Init::constant(start));
}

Var LayerScale::forward(Pass& pass, Var x) const {
  return gamma ? scale_channels(pass.tape, x, pass.tape.parameter(gamma)) : x;
}

}  // namespace vmoe
