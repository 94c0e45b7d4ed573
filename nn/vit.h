#pragma once
// The vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929, figure 1), with timm's parameter names.

#include <optional>
#include <vector>

#include "nn/block.h"
#include "nn/config.h"
#include "nn/positions.h"
#include "nn/sequence_pool.h"
#include "nn/tokenizers.h"

namespace vmoe {

/// From images [B, C, S, S] to logits [B, N]:
///
///   images -> tokens (patches or convolutions) -> + class token -> + positions
///          -> block 0 -> ... -> block depth-1
///          -> norm -> pool (class token, mean, or attention) -> head -> logits
///
/// With fc_norm the final norm (fc_norm.weight, fc_norm.bias) acts on the pooled vector, and there is none
/// before.
struct Vit {
  VitConfig config;
  Tokenizer tokenizer;
  ParamId cls_token;  // [1, 1, D], only with pool "cls"
  PositionEmbedding positions;
  std::vector<Block> blocks;
  LayerNorm norm;                             // norm.* or fc_norm.*
  std::optional<SequencePool> sequence_pool;  // only with pool "seq"
  Linear head;

  /// Adds the parameters of a valid configuration. The blocks of the numbers in `given` get
  /// no MLP: whoever runs them feeds forward (moe/).
  Vit(ParameterStore& store, const VitConfig& config, const std::vector<int>& given = {});

  /// Images [B, C, S, S] -> tokens [B, T, D], positions added.
  Var embed(Pass& pass, Var images) const;
  /// Tokens [B, T, D] of the last block -> logits [B, N].
  Var classify(Pass& pass, Var tokens) const;
  /// The whole of it, for a model whose blocks all have their own MLP.
  Var forward(Pass& pass, Var images) const;

 private:
  Var pool(Pass& pass, Var tokens) const;
};

}  // namespace vmoe
