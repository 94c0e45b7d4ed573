#include "moe/model.h"

#include <cmath>

#include "autograd/ops.h"

namespace vmoe {

namespace {

// The scale of V-MoE's routers: variance 1/D.
Init token_router_init(const VitConfig& vit) {
  return Init::truncated_normal(1 / std::sqrt(static_cast<double>(vit.dim)));
}

}  // namespace

Model::Model(const ModelConfig& config)
    : config_(config), vit_(parameters_, config.vit, config.moe_blocks()) {
  if (!config.moe.is_dense()) {
    router_ = &find_router(config.moe.router);
    const auto add_router = [&](const std::string& name, Init init) {
      router_weights_.push_back(
          parameters_.add(name, {config.moe.experts, config.vit.dim}, Role::weight, init));
    };
    if (!config.moe.routes_tokens()) add_router("moe.router.weight", Init::truncated_normal(0.02));
    for (const int i : config.moe_blocks()) {
      const std::string name = "blocks." + std::to_string(i) + ".moe.";
      if (config.moe.routes_tokens()) add_router(name + "router.weight", token_router_init(config.vit));
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

RouterSettings Model::router_settings(const Pass& pass, Choice choice, int64_t units_per_image) const {
  return {.top_k = config_.moe.top_k,
          .renormalise = config_.moe.renormalise,
          .choice = choice,
          .position = pass.position,
          .units_per_image = static_cast<int>(units_per_image)};
}

const Routing& Model::decide_images(Pass& pass, Var tokens, Choice choice) const {
  Tape& tape = pass.tape;
  const int patches_from = config_.vit.has_class_token() ? 1 : 0;
  const Var pooled = config_.moe.router_pool == RouterPool::cls ? select_token(tape, tokens, 0)
                                                                : mean_tokens(tape, tokens, patches_from);
  const Var normalised = layer_norm(tape, pooled, Var{}, Var{}, static_cast<real>(config_.vit.norm_eps));
  return router_->route(tape, normalised, tape.parameter(router_weights_.front()),
                        router_settings(pass, choice, 1));
}

const Routing& Model::decide_tokens(Pass& pass, Var tokens, size_t moe_block, Choice choice) const {
  Tape& tape = pass.tape;
  const Shape shape = tape.value(tokens).shape;
  return router_->route(tape, reshape(tape, tokens, {shape[0] * shape[1], shape[2]}),
                        tape.parameter(router_weights_[moe_block]), router_settings(pass, choice, shape[1]));
}

Var Model::feed_forward(Pass& pass, Var tokens, Var base, size_t moe_block, const Routing& routing) const {
  if (shared_.empty()) return experts_[moe_block].forward(pass, tokens, routing, base);
  const Var y = add(pass.tape, experts_[moe_block].forward(pass, tokens, routing),
                    shared_[moe_block].forward(pass, tokens));
  return base ? add(pass.tape, base, y) : y;
}

Model::Output Model::forward(Pass& pass, Var images, Choice choice) const {
  Tape& tape = pass.tape;
  Var x = vit_.embed(pass, images);
  const bool per_token = config_.moe.routes_tokens();
  const Routing** routings =
      tape.arena().allocate<const Routing*>(static_cast<int64_t>(router_weights_.size()));
  size_t moe_block = 0;
  for (const Block& block : vit_.blocks) {
    if (block.mlp) {
      x = in_place_unless_recording(pass, x, [&](Var tokens) { return block.forward(pass, tokens); });
      continue;
    }
    if (!per_token && moe_block == 0) routings[0] = &decide_images(pass, x, choice);
    // What tokens decide inside a block is kept outside of it where the block's memory is used again.
    Routing* kept = nullptr;
    if (per_token && !tape.recording()) {
      const int64_t tokens = tape.value(x).shape[0] * tape.value(x).shape[1];
      kept = &make_routing(tape, static_cast<int>(tokens), config_.moe.experts, config_.moe.top_k);
    }
    const auto mixture = [&](Var tokens, Var base) {
      if (!per_token) return feed_forward(pass, tokens, base, moe_block, *routings[0]);
      const Routing& decided = decide_tokens(pass, tokens, moe_block, choice);
      if (kept) copy_routing(tape, decided, *kept);
      routings[moe_block] = kept ? kept : &decided;
      return feed_forward(pass, tokens, base, moe_block, decided);
    };
    x = in_place_unless_recording(pass, x, [&](Var tokens) { return block.forward(pass, tokens, mixture); });
    ++moe_block;
  }
  Output output{vit_.classify(pass, x), {}, nullptr, {routings, router_weights_.size()}};
  if (!output.routings.empty()) output.routing = routings[0];
  if (output.routing && !per_token) output.router_logits = output.routing->logits;
  return output;
}

}  // namespace vmoe
