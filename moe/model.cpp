#include "moe/model.h"

#include "autograd/ops.h"

namespace vmoe {

Model::Model(const ModelConfig& config)
    : config_(config), vit_(parameters_, config.vit, config.moe_blocks()) {
  if (!config.moe.is_dense()) {
    router_ = &find_router(config.moe.router);
    router_weight_ = parameters_.add("moe.router.weight", {config.moe.experts, config.vit.dim}, Role::weight,
                                     Init::truncated_normal(0.02));
    for (const int i : config.moe_blocks()) {
      const std::string name = "blocks." + std::to_string(i) + ".moe.";
      experts_.emplace_back(parameters_, name + "experts", config.vit, config.moe.experts,
                            Block::hidden_dropout_layer(i));
      if (!config.moe.shared_expert) continue;
      // Dropout of its own, beyond the numbers of the blocks.
      shared_.emplace_back(parameters_, name + "shared", config.vit,
                           Block::hidden_dropout_layer(config.vit.depth) + i);
    }
  }
  parameters_.allocate();
}

std::vector<ParamId> Model::exact_weights() const {
  return router_weight_ ? std::vector<ParamId>{router_weight_} : std::vector<ParamId>{};
}

const Routing& Model::route(Pass& pass, Var tokens, Choice choice) const {
  Tape& tape = pass.tape;
  const int patches_from = config_.vit.has_class_token() ? 1 : 0;
  const Var pooled = config_.moe.router_pool == RouterPool::cls ? select_token(tape, tokens, 0)
                                                                : mean_tokens(tape, tokens, patches_from);
  const Var normalised = layer_norm(tape, pooled, Var{}, Var{}, static_cast<real>(config_.vit.norm_eps));
  return router_->route(tape, normalised, tape.parameter(router_weight_),
                        {.top_k = config_.moe.top_k,
                         .renormalise = config_.moe.renormalise,
                         .choice = choice,
                         .position = pass.position});
}

Var Model::feed_forward(Pass& pass, Var tokens, size_t moe_block, const Routing& routing) const {
  const Var y = experts_[moe_block].forward(pass, tokens, routing);
  return shared_.empty() ? y : add(pass.tape, y, shared_[moe_block].forward(pass, tokens));
}

Model::Output Model::forward(Pass& pass, Var images, Choice choice) const {
  Var x = vit_.embed(pass, images);
  const Routing* routing = nullptr;
  size_t moe_block = 0;
  for (const Block& block : vit_.blocks) {
    if (block.mlp) {
      x = in_place_unless_recording(pass, x, [&](Var tokens) { return block.forward(pass, tokens); });
      continue;
    }
    if (!routing) routing = &route(pass, x, choice);
    const auto mixture = [&](Var tokens) { return feed_forward(pass, tokens, moe_block, *routing); };
    x = in_place_unless_recording(pass, x, [&](Var tokens) { return block.forward(pass, tokens, mixture); });
    ++moe_block;
  }
  return {vit_.classify(pass, x), routing ? routing->logits : Var{}, routing};
}

}  // namespace vmoe
