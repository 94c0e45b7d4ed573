#pragma once
// What a model with experts consists of, layer by layer.

#include "moe/config.h"
#include "nn/layers.h"

namespace vmoe {

/// The rows of a model in the order of the forward pass. Of the experts, K are active for one
/// image, and the shared one; where tokens are routed, all that the tokens of one image can reach.
std::vector<LayerInfo> layers(const ModelConfig& config);

/// Sums over the rows.
struct ModelSize {
  int64_t params = 0;
  int64_t active_params = 0;
  int64_t flops = 0;         // one image's forward pass, two per multiply-add, products only
  int64_t routed_flops = 0;  // of these, in experts that a router chose
};
ModelSize size_of(const ModelConfig& config);

/// What routes what where, in one phrase: "router image, E = 10, k = 1, L = 2 (blocks 4, 5), raw gates";
/// empty for a dense model.
std::string mixture_phrase(const ModelConfig& config);

}  // namespace vmoe
