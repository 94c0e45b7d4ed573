#include "moe/model.h"

#include "autograd/ops.h"

namespace vmoe {

Model::Model(const ModelConfig& config)
    : config_(config), vit_(parameters_, config.vit, config.moe_blocks()) {
  if (!config.moe.is_dense()) {
    router_ = &find_router(config.moe.router);
    router_weight_ = parameters_.add("moe.router.weight", {config.moe.experts, config.vit.dim}, Role::weight,
                                     Init::truncated_normal(0.02));
    for (int i = config.vit.depth - config.moe_blocks(); i < config.vit.depth; ++i) {
      experts_.emplace_back(parameters_, "blocks." + std::to_string(i) + ".moe.experts", config.vit,
                            config.moe.experts, Block::hidden_dropout_layer(i));
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
                        {.top_k = config_.moe.top_k, .choice = choice, .position = pass.position});
}

Model::Output Model::forward(Pass& pass, Var images, Choice choice) const {
  Var x = vit_.embed(pass, images);
  const size_t dense = vit_.blocks.size() - experts_.size();
  for (size_t i = 0; i < dense; ++i) {
    x = in_place_unless_recording(pass, x, [&](Var tokens) { return vit_.blocks[i].forward(pass, tokens); });
  }
  if (experts_.empty()) return {vit_.classify(pass, x), {}, nullptr};

  const Routing& routing = route(pass, x, choice);
  for (size_t i = 0; i < experts_.size(); ++i) {
    const auto feed_forward = [&](Var tokens) { return experts_[i].forward(pass, tokens, routing); };
    x = in_place_unless_recording(
        pass, x, [&](Var tokens) { return vit_.blocks[dense + i].forward(pass, tokens, feed_forward); });
  }
  return {vit_.classify(pass, x), routing.logits, &routing};
}

}  // namespace vmoe
