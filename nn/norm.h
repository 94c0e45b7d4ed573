#pragma once
// Layer normalisation and LayerScale.

#include <string>

#include "autograd/ops.h"
#include "nn/pass.h"

namespace vmoe {

/// y = (x - mean) / sqrt(variance + eps) * weight + bias over the last axis D (Ba, Kiros, Hinton 2016,
/// arXiv:1607.06450). Parameters NAME.weight [D] (ones) and NAME.bias [D] (zeros).
struct LayerNorm {
  ParamId weight, bias;
  real eps;

  LayerNorm(ParameterStore& store, const std::string& name, int64_t dim, double eps);
  Var forward(Pass& pass, Var x) const;
  /// Its parameters, for a fused op.
  NormInputs inputs(Pass& pass) const;
};

/// y[..., d] = x[..., d] * gamma[d] (Touvron et al. 2021, arXiv:2103.17239). Parameter NAME.gamma [D], which
/// starts at `start`; start = 0 means that the model has no LayerScale, and x passes through.
struct LayerScale {
  ParamId gamma;

  LayerScale(ParameterStore& store, const std::string& name, int64_t dim, double start);
  Var forward(Pass& pass, Var x) const;
};

}  // namespace vmoe
