#include "nn/vit.h"

#include <algorithm>

#include "autograd/ops.h"
#include "nn/dropout.h"

namespace vmoe {

namespace {

constexpr int kEmbeddingDropout = 0;

ParamId add_class_token(ParameterStore& store, const VitConfig& config) {
  if (!config.has_class_token()) return {};
  return store.add("cls_token", {1, 1, config.dim}, Role::token, Init::normal(1e-6));
}

std::vector<Block> make_blocks(ParameterStore& store, const VitConfig& config,
                               const std::vector<int>& given) {
  std::vector<Block> blocks;
  for (int i = 0; i < config.depth; ++i) {
    const bool is_given = std::find(given.begin(), given.end(), i) != given.end();
    blocks.emplace_back(store, config, i, is_given ? FeedForward::given : FeedForward::own);
  }
  return blocks;
}

}  // namespace

Vit::Vit(ParameterStore& store, const VitConfig& config, const std::vector<int>& given)
    : config(config),
      tokenizer(make_tokenizer(store, config)),
      cls_token(add_class_token(store, config)),
      positions(store, config),
      blocks(make_blocks(store, config, given)),
      norm(store, config.fc_norm ? "fc_norm" : "norm", config.dim, config.norm_eps),
      sequence_pool(config.pool == Pool::seq ? std::optional<SequencePool>(std::in_place, store, config.dim)
                                             : std::nullopt),
      head(store, "head", config.dim, config.classes) {}

Var Vit::embed(Pass& pass, Var images) const {
  Var x = std::visit([&](const auto& chosen) { return chosen.forward(pass, images); }, tokenizer);
  if (cls_token) x = prepend_token(pass.tape, x, pass.tape.parameter(cls_token));
  x = positions.forward(pass, x);
  return dropout(pass, x, config.dropout, kEmbeddingDropout);
}

Var Vit::pool(Pass& pass, Var tokens) const {
  switch (config.pool) {
    case Pool::cls:
      return select_token(pass.tape, tokens, 0);
    case Pool::mean:
      return mean_tokens(pass.tape, tokens, 0);
    default:
      return sequence_pool->forward(pass, tokens);
  }
}

Var Vit::classify(Pass& pass, Var tokens) const {
  // The norm of a row looks at that row alone, so for the class token it is the same before and after
  // pooling.
  const bool norm_after_pool = config.fc_norm || config.pool == Pool::cls;
  const Var pooled =
      norm_after_pool ? norm.forward(pass, pool(pass, tokens)) : pool(pass, norm.forward(pass, tokens));
  return head.forward(pass, pooled);
}

Var Vit::forward(Pass& pass, Var images) const {
  Var x = embed(pass, images);
  for (const Block& block : blocks) {
    x = in_place_unless_recording(pass, x, [&](Var tokens) { return block.forward(pass, tokens); });
  }
  return classify(pass, x);
}

}  // namespace vmoe
