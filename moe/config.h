#pragma once
// The mixture of experts of a model, and the model as a whole.

#include <string>
#include <vector>

#include "moe/block_choice.h"
#include "nn/config.h"

namespace vmoe {

/// What a router of images reads: the mean over patch tokens, or the class token.
enum class RouterPool { mean, cls };

/// The L blocks of `moe_layers` have E expert MLPs each in place of their own; router "none" is a dense
/// model, for which the other numbers mean nothing. As JSON an object with these keys, moe_layers as text;
/// keys that came later than the others may be missing and then stand for what was before.
struct MoeConfig {
  std::string router = "none";  // "none", or a name from moe/routers/table.h
  int experts = 10;             // E
  int top_k = 1;                // K <= E
  BlockChoice moe_layers;       // the last two
  RouterPool router_pool = RouterPool::mean;
  bool renormalise = false;         // the K gates of a unit are divided by their sum; else softmax as it is
  bool shared_expert = false;       // one more expert that all images pass, with gate 1
  std::vector<int> super_classes;   // [N]: the expert that class n belongs to; empty: no router loss
  double super_class_weight = 0.3;  // of the router's loss beside the classifier's
  double balance_weight = 0;        // of the balance loss of each decision (moe/balance.h); 0: none

  bool is_dense() const { return router == "none"; }
  /// Tokens are routed one by one in every MoE block; else whole images, once.
  bool routes_tokens() const;
  bool operator==(const MoeConfig&) const = default;
};

/// Everything that decides a model's parameters and its arithmetic. As JSON {"vit": {...}, "moe": {...}}.
struct ModelConfig {
  VitConfig vit;
  MoeConfig moe;

  /// Numbers of the blocks whose MLP is a mixture of experts, rising.
  std::vector<int> moe_blocks() const {
    return moe.is_dense() ? std::vector<int>{} : moe.moe_layers.blocks(vit.depth);
  }
  /// Of them those in which a router decides: each for tokens, the first for images, whose one decision all
  /// share.
  std::vector<int> deciding_blocks() const;
  bool operator==(const ModelConfig&) const = default;
};

const char* name_of(RouterPool pool);

/// What is wrong with a model, as one phrase with key, value and what would be right; empty if all is well.
std::string problem_with(const ModelConfig& config);

/// Throws UsageError "WHERE: PROBLEM" (flags and recipes).
void validate(const ModelConfig& config, const std::string& where);

nlohmann::ordered_json to_json(const ModelConfig& config);

/// Reads and checks a model's configuration from a file. Throws InputError "WHERE: ..." for an unknown,
/// missing or mistyped key and for everything `problem_with` finds.
ModelConfig model_config_from_json(const nlohmann::ordered_json& json, const std::string& where);

}  // namespace vmoe
