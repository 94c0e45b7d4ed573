#pragma once
// One block of the transformer encoder.

#include <optional>
#include <string>

#include "autograd/ops.h"
#include "nn/attention.h"
#include "nn/config.h"
#include "nn/dropout.h"
#include "nn/mlp.h"
#include "nn/norm.h"

namespace vmoe {

/// Who feeds forward in a block: its own MLP, or whoever calls `Block::forward` (a mixture of experts).
enum class FeedForward { own, given };

/// Pre-LN block (Dosovitskiy et al. 2021, arXiv:2010.11929, figure 1), x [B, T, D] -> [B, T, D]:
///   x = x + drop_path(ls1(dropout(attn(norm1(x)))))
///   x = x + drop_path(ls2(dropout(mlp(norm2(x)))))
/// The rate of drop path rises from 0 in the first block to config.drop_path in the last one.
struct Block {
  LayerNorm norm1;
  Attention attn;
  LayerScale ls1;
  LayerNorm norm2;
  std::optional<Mlp> mlp;  // empty if the feed-forward part is given by the caller
  LayerScale ls2;
  double dropout_rate, drop_path_rate;
  int index;  // 0 is the first block

  /// Block `index` of the model, with parameters blocks.INDEX.norm1.weight and so on.
  Block(ParameterStore& store, const VitConfig& config, int index,
        FeedForward feed_forward = FeedForward::own);

  Var forward(Pass& pass, Var x) const {
    if (is_plain(pass))
      return mlp->branch(pass, norm2.inputs(pass), attn.branch(pass, norm1.inputs(pass), x));
    return forward(pass, x, [&](Var normalised, Var) { return mlp->forward(pass, normalised); });
  }

  /// The same with feed_forward(norm2(x), base) [B, T, D] -> [B, T, D] in the MLP's place. Where nothing
  /// stands between it and the sum, base is x and the result includes it; otherwise base is none.
  template <class FeedForwardPart>
  Var forward(Pass& pass, Var x, const FeedForwardPart& feed_forward) const {
    x = is_plain(pass) ? attn.branch(pass, norm1.inputs(pass), x)
                       : add_branch(pass, x, ls1, attn.forward(pass, norm1.forward(pass, x)), 0);
    const Var normalised = norm2.forward(pass, x);
    return is_plain(pass) ? feed_forward(normalised, x)
                          : add_branch(pass, x, ls2, feed_forward(normalised, Var{}), 1);
  }

  /// Number of the dropout inside the feed-forward part of block `index`.
  static int hidden_dropout_layer(int index) { return 3 * index + 3; }

 private:
  /// Nothing stands between a branch and its sum: the fused ops serve.
  bool is_plain(const Pass& pass) const {
    return !ls1.gamma && !(pass.training && (dropout_rate > 0 || drop_path_rate > 0));
  }
  Var add_branch(Pass& pass, Var x, const LayerScale& layer_scale, Var branch, int which) const;
};

}  // namespace vmoe
