#pragma once
// The MLPs of E experts.

#include <string>

#include "moe/routing.h"
#include "nn/mlp.h"

namespace vmoe {

/// E replicas of a block's MLP as stacked parameters NAME.fc1.weight [E, H, D], NAME.fc1.bias [E, H],
/// NAME.fc2.weight [E, D, H], NAME.fc2.bias [E, D]. They start like dense MLPs, from independent draws.
struct Experts {
  ParamId fc1_weight, fc1_bias, fc2_weight, fc2_bias;
  Activation activation;
  double dropout_rate;
  int layer;  // number of the dropout after the activation

  Experts(ParameterStore& store, const std::string& name, const VitConfig& config, int experts, int layer);

  /// y[u] = base[u] + sum over the assignments of unit u of gate * expert(x[u]): x [B, T, D] -> [B, T, D],
  /// cut into routing.units units: B images or B T tokens; base has x's shape, or is none. Only assigned
  /// units are computed. What dropout drops of a unit is what it would drop there of the whole image.
  Var forward(Pass& pass, Var x, const Routing& routing, Var base = {}) const;

 private:
  Var with_dropout(Pass& pass, Var x, const Routing& routing) const;
};

}  // namespace vmoe
