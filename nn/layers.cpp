#include "nn/layers.h"

namespace vmoe {

namespace {

LayerInfo dense(std::string name, Shape output, int64_t params, int64_t multiply_adds) {
  return {std::move(name), output, params, params, 2 * multiply_adds};
}

int64_t linear_params(int64_t in, int64_t out) {
  return in * out + out;
}

void add_embedding(const VitConfig& c, std::vector<LayerInfo>& rows) {
  const int64_t patches = int64_t{c.grid()} * c.grid(), dim = c.dim;
  if (c.tokenizer == TokenizerKind::patch) {
    const int64_t inputs = int64_t{c.channels} * c.patch_size * c.patch_size;
    rows.push_back(dense("patch_embed", {patches, dim}, linear_params(inputs, dim), patches * inputs * dim));
  } else {
    int64_t side = c.image_size, in = c.channels;
    for (int i = 0; i < c.conv_layers; ++i) {
      const int64_t out = c.conv_channels(i), weights = 9 * in * out, pixels = side * side;
      side = (side + 1) / 2;
      rows.push_back(
          dense("tokenizer.conv_layers." + std::to_string(i), {side * side, out}, weights, pixels * weights));
      in = out;
    }
  }
  if (c.has_class_token()) rows.push_back(dense("cls_token", {c.tokens(), dim}, dim, 0));
  if (c.positions != Positions::none) {
    const int64_t learned = c.positions == Positions::learned ? c.tokens() * dim : 0;
    rows.push_back(dense("pos_embed", {c.tokens(), dim}, learned, 0));
  }
}

// The attention half of a block, with both norms and both LayerScales.
LayerInfo attention_layer(const VitConfig& c, int index) {
  const int64_t tokens = c.tokens(), dim = c.dim;
  const int64_t norms = 4 * dim, scales = c.layer_scale > 0 ? 2 * dim : 0;
  const int64_t products = tokens * 4 * dim * dim + 2 * tokens * tokens * dim;
  return dense("blocks." + std::to_string(index) + ".attn", {tokens, dim},
               linear_params(dim, 3 * dim) + linear_params(dim, dim) + norms + scales, products);
}

void add_classifier(const VitConfig& c, std::vector<LayerInfo>& rows) {
  const int64_t tokens = c.tokens(), dim = c.dim;
  const LayerInfo norm =
      dense(c.fc_norm ? "fc_norm" : "norm", c.fc_norm ? Shape{dim} : Shape{tokens, dim}, 2 * dim, 0);
  if (!c.fc_norm) rows.push_back(norm);
  // A score for every token, then the weighted sum.
  if (c.pool == Pool::seq)
    rows.push_back(dense("attention_pool", {dim}, linear_params(dim, 1), 2 * tokens * dim));
  if (c.fc_norm) rows.push_back(norm);
  rows.push_back(dense("head", {c.classes}, linear_params(dim, c.classes), dim * c.classes));
}

}  // namespace

LayerInfo mlp_layer(const VitConfig& c, int index) {
  const int64_t dim = c.dim, hidden = c.mlp_dim;
  return dense("blocks." + std::to_string(index) + ".mlp", {c.tokens(), dim},
               linear_params(dim, hidden) + linear_params(hidden, dim), c.tokens() * 2 * dim * hidden);
}

std::vector<LayerInfo> layers(const VitConfig& config) {
  std::vector<LayerInfo> rows;
  add_embedding(config, rows);
  for (int i = 0; i < config.depth; ++i) {
    rows.push_back(attention_layer(config, i));
    rows.push_back(mlp_layer(config, i));
  }
  add_classifier(config, rows);
  return rows;
}

int64_t flops(const VitConfig& config) {
  int64_t total = 0;
  for (const LayerInfo& row : layers(config)) total += row.flops;
  return total;
}

}  // namespace vmoe
