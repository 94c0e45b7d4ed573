// What models cost.

#include "nn/layers.h"

#include <doctest/doctest.h>

#include "nn/presets.h"
#include "nn/vit.h"

namespace vmoe::testing {

namespace {

int64_t params_of(const VitConfig& config) {
  int64_t total = 0;
  for (const LayerInfo& row : layers(config)) total += row.params;
  return total;
}

int64_t params_in_store(const VitConfig& config) {
  ParameterStore store;
  const Vit vit(store, config);
  return store.parameter_count();
}

TEST_CASE("the layer table counts every parameter of every preset") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    CHECK(params_of(preset.config) == params_in_store(preset.config));
  }
}

TEST_CASE("the layer table counts every parameter of every combination of parts") {
  for (const TokenizerKind tokenizer : {TokenizerKind::patch, TokenizerKind::conv}) {
    for (const Pool pool : {Pool::cls, Pool::mean, Pool::seq}) {
      for (const Positions positions : {Positions::learned, Positions::sincos, Positions::none}) {
        for (const bool fc_norm : {false, true}) {
          VitConfig c;
          c.image_size = 12;
          c.dim = 8;
          c.heads = 2;
          c.mlp_dim = 10;
          c.depth = 2;
          c.tokenizer = tokenizer;
          c.pool = pool;
          c.positions = positions;
          c.fc_norm = fc_norm;
          c.layer_scale = fc_norm ? 0.1 : 0;
          CAPTURE(to_string(
              Shape{static_cast<int>(tokenizer), static_cast<int>(pool), static_cast<int>(positions)}));
          CHECK(params_of(c) == params_in_store(c));
        }
      }
    }
  }
}

TEST_CASE("FLOPs are two per multiply-add of the products") {
  // ViT: T tokens of width D, hidden width H; P patches of p numbers.
  const auto by_hand = [](int64_t T, int64_t P, int64_t p, int64_t D, int64_t H, int64_t depth,
                          int64_t classes) {
    const int64_t block = T * (4 * D * D + 2 * D * H) + 2 * T * T * D;
    return 2 * (depth * block + P * p * D + D * classes);
  };
  CHECK(flops(find_preset("cifar192").config) == by_hand(64, 64, 48, 192, 768, 9, 100));
  CHECK(flops(find_preset("cifar128").config) == by_hand(64, 64, 48, 128, 256, 6, 10));
  CHECK(flops(find_preset("fashion64").config) == by_hand(49, 49, 16, 64, 128, 6, 10));
  CHECK(flops(find_preset("vit_tiny224").config) == by_hand(197, 196, 768, 192, 768, 12, 1000));
  CHECK(flops(find_preset("mobile192").config) == by_hand(50, 49, 3072, 192, 768, 12, 1000));
  // Published: 0.539, 0.114, 0.0231, 2.507 and 0.612 GFLOP.
  CHECK(flops(find_preset("cifar192").config) / 1000000 == 539);
  CHECK(flops(find_preset("vit_tiny224").config) / 1000000 == 2507);
}

TEST_CASE("a CCT's FLOPs count convolutions and sequence pooling") {
  // 32 x 32 x 3 -> 16 x 16 x 64 -> 8 x 8 x 128, then two blocks of width 128 and hidden width 128 on 64
  // tokens.
  const int64_t convolutions = 32 * 32 * 27 * 64 + 16 * 16 * 9 * 64 * 128;
  const int64_t block = 64 * (4 * 128 * 128 + 2 * 128 * 128) + 2 * 64 * 64 * 128;
  const int64_t pooling = 2 * 64 * 128;
  CHECK(flops(find_preset("cct_2_3x2_32").config) == 2 * (convolutions + 2 * block + pooling + 128 * 10));
}

TEST_CASE("a dense model uses all its parameters") {
  for (const LayerInfo& row : layers(VitConfig{})) CHECK(row.active_params == row.params);
}

}  // namespace

}  // namespace vmoe::testing
