#pragma once
// What a model consists of, layer by layer: the table of `vmoe info`.

#include <cstdint>
#include <string>
#include <vector>

#include "nn/config.h"
#include "tensor/tensor.h"

namespace vmoe {

/// One row. `flops` counts products only, two per multiply-add, for one image.
struct LayerInfo {
  std::string name;       // blocks.0.attn
  Shape output;           // for one image: [T, D]
  int64_t params;         // numbers that are parameters
  int64_t active_params;  // of those, what one image uses (fewer than params for experts)
  int64_t flops;
};

/// The rows of a dense model, in the order of the forward pass.
std::vector<LayerInfo> layers(const VitConfig& config);

/// The row of the MLP of block `index`.
LayerInfo mlp_layer(const VitConfig& config, int index);

/// FLOPs of one image's forward pass: the sum over the rows.
int64_t flops(const VitConfig& config);

}  // namespace vmoe
