#include "nn/presets.h"

#include <iterator>

#include "tensor/error.h"

namespace vmoe {

namespace {

// Mean pooling with the final norm on the tokens.
VitConfig small_images(int image_size, int channels, int dim, int depth, int heads, int mlp_dim,
                       int classes) {
  VitConfig c;
  c.image_size = image_size;
  c.channels = channels;
  c.patch_size = 4;
  c.dim = dim;
  c.depth = depth;
  c.heads = heads;
  c.mlp_dim = mlp_dim;
  c.classes = classes;
  c.pool = Pool::mean;
  return c;
}

// Class token, 224 x 224 pixels, ImageNet's 1000 classes; MLP ratio 4, heads of 64 (Touvron et al. 2021,
// arXiv:2012.12877, table 1).
VitConfig imagenet(int patch_size, int dim) {
  VitConfig c;
  c.image_size = 224;
  c.patch_size = patch_size;
  c.dim = dim;
  c.depth = 12;
  c.heads = dim / 64;
  c.mlp_dim = 4 * dim;
  c.classes = 1000;
  c.pool = Pool::cls;
  return c;
}

// CCT-2/3x2 (Hassani et al. 2021, arXiv:2104.05704): its tokenizer, its sizes, its pooling. The blocks are
// this library's pre-LN blocks: the reference has no bias on query, key and value, and norms the residual
// stream itself before the MLP.
VitConfig cct_2() {
  VitConfig c = small_images(32, 3, 128, 2, 2, 128, 10);
  c.tokenizer = TokenizerKind::conv;
  c.conv_layers = 2;
  c.pool = Pool::seq;
  c.norm_eps = 1e-5;
  c.drop_path = 0.1;
  return c;
}

const Preset kPresets[] = {
    {"fashion64", "6 blocks of 64, patches of 4, for 28x28 grey images",
     small_images(28, 1, 64, 6, 4, 128, 10)},
    {"cifar128", "6 blocks of 128, patches of 4, for 32x32 images", small_images(32, 3, 128, 6, 4, 256, 10)},
    {"cifar192", "9 blocks of 192, patches of 4, for 32x32 images", small_images(32, 3, 192, 9, 3, 768, 100)},
    {"cct_2_3x2_32", "CCT-2/3x2: two convolutions, 2 blocks of 128, sequence pooling", cct_2()},
    {"mobile192", "12 blocks of 192, patches of 32, for 224x224 images", imagenet(32, 192)},
    {"vit_tiny224", "12 blocks of 192, patches of 16, for 224x224 images", imagenet(16, 192)},
    {"vit_tiny_patch32_224", "ViT-Ti/32, the same as mobile192", imagenet(32, 192)},
    {"vit_tiny_patch16_224", "ViT-Ti/16, the same as vit_tiny224", imagenet(16, 192)},
    {"vit_small_patch16_224", "ViT-S/16: 12 blocks of 384, patches of 16", imagenet(16, 384)},
};

}  // namespace

std::span<const Preset> presets() {
  return kPresets;
}

const Preset& find_preset(const std::string& name) {
  std::string names;
  for (const Preset& preset : kPresets) {
    if (name == preset.name) return preset;
    names += std::string(names.empty() ? "" : ", ") + preset.name;
  }
  throw UsageError("no model is called '" + name.substr(0, 60) + "'; known: " + names);
}

}  // namespace vmoe
