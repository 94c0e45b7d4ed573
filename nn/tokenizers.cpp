#include "nn/tokenizers.h"

#include <cmath>

#include "autograd/ops.h"

namespace vmoe {

namespace {

constexpr int kConvSize = 3, kConvStride = 1, kConvPadding = 1;
constexpr int kPoolSize = 3, kPoolStride = 2, kPoolPadding = 1;

}  // namespace

PatchEmbed::PatchEmbed(ParameterStore& store, const VitConfig& config)
    : image_size(config.image_size), patch_size(config.patch_size) {
  const int64_t inputs = int64_t{config.channels} * patch_size * patch_size;
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(inputs)));
  weight = store.add("patch_embed.proj.weight", {config.dim, config.channels, patch_size, patch_size},
                     Role::weight, init);
  bias = store.add("patch_embed.proj.bias", {config.dim}, Role::bias, init);
}

Var PatchEmbed::forward(Pass& pass, Var images) const {
  Tape& tape = pass.tape;
  const SlidingWindow patch{image_size, image_size, patch_size, patch_size, 0};
  return linear(tape, unfold_planes(tape, images, patch), tape.parameter(weight), tape.parameter(bias));
}

ConvTokenizer::ConvTokenizer(ParameterStore& store, const VitConfig& config) : image_size(config.image_size) {
  int64_t in = config.channels;
  for (int i = 0; i < config.conv_layers; ++i) {
    const int64_t out = config.conv_channels(i);
    const Init init = Init::normal(std::sqrt(2.0 / static_cast<double>(in * kConvSize * kConvSize)));
    weights.push_back(store.add("tokenizer.conv_layers." + std::to_string(i) + ".0.weight",
                                {out, in, kConvSize, kConvSize}, Role::weight, init));
    in = out;
  }
}

Var ConvTokenizer::forward(Pass& pass, Var images) const {
  Tape& tape = pass.tape;
  Var x = images;
  int side = image_size;
  for (size_t i = 0; i < weights.size(); ++i) {
    const SlidingWindow conv{side, side, kConvSize, kConvStride, kConvPadding};
    const SlidingWindow pool{side, side, kPoolSize, kPoolStride, kPoolPadding};
    const Var windows = i == 0 ? unfold_planes(tape, x, conv) : unfold_tokens(tape, x, conv);
    x = linear(tape, windows, tape.parameter(weights[i]), Var{});
    x = max_pool(tape, relu(tape, x), pool);
    side = pool.out_height();
  }
  return x;
}

Tokenizer make_tokenizer(ParameterStore& store, const VitConfig& config) {
  if (config.tokenizer == TokenizerKind::conv) return ConvTokenizer(store, config);
  return PatchEmbed(store, config);
}

}  // namespace vmoe
