#pragma once
// A linear layer.

#include <string>

#include "nn/pass.h"

namespace vmoe {

/// y = x W^T + b: x [..., in] -> [..., out]. Parameters NAME.weight [out, in] (truncated normal, deviation
/// 0.02) and NAME.bias [out] (zeros), as in timm's vision transformers.
struct Linear {
  ParamId weight, bias;

  Linear(ParameterStore& store, const std::string& name, int64_t in, int64_t out, bool with_bias = true);
  Var forward(Pass& pass, Var x) const;
};

}  // namespace vmoe
