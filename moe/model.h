#pragma once
// A whole model: a vision transformer, dense or with experts in some of its blocks.

#include <span>
#include <vector>

#include "moe/config.h"
#include "moe/experts.h"
#include "moe/routers/table.h"
#include "nn/vit.h"

namespace vmoe {

/// Mobile V-MoE (Daxberger et al. 2023, arXiv:2309.04354), or with router "none" the plain transformer:
///
///   images -> embed -> dense blocks --+--> blocks whose MLP is gate * expert(x) -> classify -> logits
///                                     |            ^
///                                     +-> router --+   one decision per image, used by all of these blocks
///
/// The router is one linear map moe.router.weight [E, D] of the layer norm (without parameters) of the mean
/// over patch tokens of what enters the first MoE block (the embedding if that is block 0); dense blocks may
/// stand between MoE blocks. The experts of block i are blocks.i.moe.experts.*, the shared one, whose output
/// is added as it is, blocks.i.moe.shared.*.
///
/// A router of tokens (V-MoE) stands inside each MoE block instead, blocks.i.moe.router.weight [E, D], and
/// reads what the block's MLP would read.
///
/// Many threads may call `forward` at once, each with its own tape.
class Model {
 public:
  /// Lays out the parameters of a valid configuration, all zero. Throws std::bad_alloc if they do not fit.
  explicit Model(const ModelConfig& config);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Draws the start values of a new model.
  void initialise(uint64_t seed) { parameters_.initialise(seed); }

  struct Output {
    Var logits;                        // [B, N]
    Var router_logits;                 // [B, E]; none without a router of images
    const Routing* routing = nullptr;  // the first of `routings`; null for a dense model
    /// Valid until the tape is reset: the one decision for images, or the MoE blocks' decisions for tokens.
    std::span<const Routing* const> routings = {};
  };
  /// Images [B, C, S, S] -> logits. On a tape that records nothing, memory does not grow with depth, but
  /// by what tokens decide in each MoE block.
  Output forward(Pass& pass, Var images, Choice choice = Choice::learned) const;

  /// Weights that stay in full precision whatever the others are rounded to: the router's, whose choice is
  /// discrete. An image that lies between two experts would go to another one.
  const std::vector<ParamId>& exact_weights() const { return router_weights_; }

  const ModelConfig& config() const { return config_; }
  ParameterStore& parameters() { return parameters_; }
  const ParameterStore& parameters() const { return parameters_; }

 private:
  const Routing& decide_images(Pass& pass, Var tokens, Choice choice) const;
  const Routing& decide_tokens(Pass& pass, Var tokens, size_t moe_block, Choice choice) const;
  RouterSettings router_settings(const Pass& pass, Choice choice, int64_t units_per_image) const;
  Var feed_forward(Pass& pass, Var tokens, Var base, size_t moe_block, const Routing& routing) const;

  ModelConfig config_;
  ParameterStore parameters_;
  Vit vit_;
  const Router* router_ = nullptr;       // null for a dense model
  std::vector<ParamId> router_weights_;  // one, or one for each MoE block
  // Of the MoE blocks, in order.
  std::vector<Experts> experts_;
  std::vector<Mlp> shared_;  // empty without shared experts
};

}  // namespace vmoe
