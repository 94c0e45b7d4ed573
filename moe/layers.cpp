#include "moe/layers.h"

#include <algorithm>

namespace vmoe {

namespace {

constexpr const char* kRoutedExperts = ".moe.experts";

LayerInfo router_layer(const ModelConfig& c) {
  const int64_t weights = int64_t{c.moe.experts} * c.vit.dim;
  return {"moe.router", {c.moe.experts}, weights, weights, 2 * weights};
}

LayerInfo token_router_layer(const ModelConfig& c, int index) {
  LayerInfo row = router_layer(c);
  row.name = "blocks." + std::to_string(index) + ".moe.router";
  row.output = {c.vit.tokens(), c.moe.experts};
  row.flops *= c.vit.tokens();
  return row;
}

// Experts of a block that one image can reach: its tokens may all choose others.
int64_t reachable_experts(const ModelConfig& c) {
  const int64_t choices = c.moe.top_k * (c.moe.routes_tokens() ? c.vit.tokens() : 1);
  return std::min<int64_t>(choices, c.moe.experts);
}

LayerInfo experts_layer(const ModelConfig& c, int index) {
  LayerInfo row = mlp_layer(c.vit, index);
  row.name = "blocks." + std::to_string(index) + kRoutedExperts;
  row.active_params = row.params * reachable_experts(c);
  row.flops *= c.moe.top_k;
  row.params *= c.moe.experts;
  return row;
}

// One MLP more for every image: at K = 1 it doubles the FLOPs of the block's MLP half.
LayerInfo shared_layer(const ModelConfig& c, int index) {
  LayerInfo row = mlp_layer(c.vit, index);
  row.name = "blocks." + std::to_string(index) + ".moe.shared";
  return row;
}

}  // namespace

std::vector<LayerInfo> layers(const ModelConfig& config) {
  std::vector<LayerInfo> rows = layers(config.vit);
  const std::vector<int> blocks = config.moe_blocks();
  for (const int i : blocks) {
    const std::string name = mlp_layer(config.vit, i).name;
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&](const LayerInfo& r) { return r.name == name; });
    *row = experts_layer(config, i);
    const auto after = config.moe.shared_expert ? rows.insert(row + 1, shared_layer(config, i)) - 1 : row;
    if (config.moe.routes_tokens()) rows.insert(after, token_router_layer(config, i));
  }
  if (blocks.empty() || config.moe.routes_tokens()) return rows;
  const std::string first = "blocks." + std::to_string(blocks.front()) + ".attn";
  for (auto row = rows.begin(); row != rows.end(); ++row) {
    if (row->name != first) continue;
    rows.insert(row, router_layer(config));
    break;
  }
  return rows;
}

std::string mixture_phrase(const ModelConfig& config) {
  if (config.moe.is_dense()) return "";
  const std::vector<int> blocks = config.moe_blocks();
  std::string numbers;
  for (const int i : blocks) numbers += (numbers.empty() ? "" : ", ") + std::to_string(i);
  return "router " + config.moe.router + ", E = " + std::to_string(config.moe.experts) +
         ", k = " + std::to_string(config.moe.top_k) + ", L = " + std::to_string(blocks.size()) +
         (blocks.size() > 1 ? " (blocks " : " (block ") + numbers + "), " +
         (config.moe.renormalise ? "renormalised" : "raw") + " gates" +
         (config.moe.shared_expert ? ", a shared expert" : "");
}

ModelSize size_of(const ModelConfig& config) {
  ModelSize total;
  for (const LayerInfo& row : layers(config)) {
    total.params += row.params;
    total.active_params += row.active_params;
    total.flops += row.flops;
    if (row.name.ends_with(kRoutedExperts)) total.routed_flops += row.flops;
  }
  return total;
}

}  // namespace vmoe
