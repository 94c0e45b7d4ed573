#pragma once
// From pixels to tokens.

#include <string>
#include <variant>
#include <vector>

#include "nn/config.h"
#include "nn/pass.h"

namespace vmoe {

/// Cuts an image into p x p patches and projects each: images [B, C, S, S] -> [B, (S/p)^2, D], patches in row
/// order (Dosovitskiy et al. 2021). The same as a convolution with stride p; parameters
/// patch_embed.proj.weight [D, C, p, p] and patch_embed.proj.bias [D], which start uniform in +-1/sqrt(C p
/// p), as in timm.
struct PatchEmbed {
  ParamId weight, bias;
  int image_size, patch_size;

  PatchEmbed(ParameterStore& store, const VitConfig& config);
  Var forward(Pass& pass, Var images) const;
};

/// The convolutional tokenizer of CCT (Hassani et al. 2021, arXiv:2104.05704): `config.conv_layers` times
/// convolution 3x3 (stride 1, padding 1, no bias), ReLU, max pooling 3x3 (stride 2, padding 1). The layers
/// have 64 channels, the last one D. Images [B, C, S, S] -> [B, T, D] with the side halved (rounded up) by
/// every layer. Parameters tokenizer.conv_layers.I.0.weight [out, in, 3, 3], normal with variance 2 / (9 in)
/// (He et al. 2015).
struct ConvTokenizer {
  std::vector<ParamId> weights;
  int image_size;

  ConvTokenizer(ParameterStore& store, const VitConfig& config);
  Var forward(Pass& pass, Var images) const;
};

using Tokenizer = std::variant<PatchEmbed, ConvTokenizer>;

/// The tokenizer that the configuration names.
Tokenizer make_tokenizer(ParameterStore& store, const VitConfig& config);

}  // namespace vmoe
