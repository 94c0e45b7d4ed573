#pragma once
// A linear layer.

#include <string>

#include "autograd/ops.h"
#include "nn/pass.h"

namespace vmoe {

/// y = x W^T + b: x [..., in] -> [..., out]. Parameters NAME.weight [out, in], from Init::glorot as in the
/// original vision transformer (timm's fixed deviation of 0.02 starts narrow models far too small: after one
/// epoch on Fashion-MNIST at width 64 the loss was 0.62 instead of 0.48), and NAME.bias [out], zeros.
struct Linear {
  ParamId weight, bias;

  Linear(ParameterStore& store, const std::string& name, int64_t in, int64_t out, bool with_bias = true);
  Var forward(Pass& pass, Var x) const;
  /// Its parameters, for a fused op.
  LinearInputs inputs(Pass& pass) const;
};

}  // namespace vmoe
