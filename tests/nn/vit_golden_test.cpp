// Whole dense models against PyTorch (tests/fixtures/make_vit.py).

#include "autograd/ops.h"
#include "nn/vit.h"
#include "tensor/json_fields.h"
#include "tests/nn/model_fixture.h"

namespace vmoe::testing {

namespace {

void check_dense(const std::string& name) {
  const nlohmann::json fixture = read_fixture("models/" + name + ".json");
  const VitConfig config = vit_config_from_json(fixture["config"]["vit"], name);
  ParameterStore store;
  const Vit vit(store, config);
  store.allocate();
  std::vector<real> targets = fixture_targets(fixture);
  const int64_t batch = fixture["batch"].get<int64_t>();
  check_golden(fixture, config, store, [&](Pass& pass, Var images) -> Outputs {
    const Var logits = vit.forward(pass, images);
    const Tensor target{targets.data(), {batch, config.classes}};
    return {logits, scale(pass.tape, softmax_cross_entropy(pass.tape, logits, target), real{1} / batch)};
  });
}

TEST_CASE("a class-token ViT agrees with PyTorch: logits, loss, gradients, three AdamW steps") {
  check_dense("vit_cls_learned");
}

TEST_CASE("a mean-pooled ViT with sine positions and tanh GELU agrees with PyTorch") {
  check_dense("vit_mean_sincos");
}

TEST_CASE("a ViT with fc_norm and LayerScale agrees with PyTorch") {
  check_dense("vit_fc_norm_layer_scale");
}

TEST_CASE("a one-block ViT for grey images without positions agrees with PyTorch") {
  check_dense("vit_no_positions");
}

TEST_CASE("a CCT with two convolutions and sequence pooling agrees with PyTorch") {
  check_dense("cct_learned");
}

TEST_CASE("a CCT with one convolution and sine positions agrees with PyTorch") {
  check_dense("cct_sincos_one_layer");
}

}  // namespace

}  // namespace vmoe::testing
