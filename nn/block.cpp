#include "nn/block.h"

namespace vmoe {

namespace {

std::string block_name(int index) {
  return "blocks." + std::to_string(index);
}

// Linear in the depth, as in timm: 0 for the first block, the full rate for the last.
double drop_path_rate_of(const VitConfig& config, int index) {
  return config.depth == 1 ? 0 : config.drop_path * index / (config.depth - 1);
}

}  // namespace

Block::Block(ParameterStore& store, const VitConfig& config, int index, FeedForward feed_forward)
    : norm1(store, block_name(index) + ".norm1", config.dim, config.norm_eps),
      attn(store, block_name(index) + ".attn", config.dim, config.heads),
      ls1(store, block_name(index) + ".ls1", config.dim, config.layer_scale),
      norm2(store, block_name(index) + ".norm2", config.dim, config.norm_eps),
      mlp(feed_forward == FeedForward::own
              ? std::optional<Mlp>(std::in_place, store, block_name(index) + ".mlp", config,
                                   hidden_dropout_layer(index))
              : std::nullopt),
      ls2(store, block_name(index) + ".ls2", config.dim, config.layer_scale),
      dropout_rate(config.dropout),
      drop_path_rate(drop_path_rate_of(config, index)),
      index(index) {}

Var Block::add_branch(Pass& pass, Var x, const LayerScale& layer_scale, Var branch, int which) const {
  // Layer 0 of dropout belongs to the embedding; a block has two here and one inside its feed-forward part.
  branch = dropout(pass, branch, dropout_rate, 3 * index + 1 + which);
  branch = drop_path(pass, layer_scale.forward(pass, branch), drop_path_rate, 2 * index + which);
  return add(pass.tape, x, branch);
}

}  // namespace vmoe
