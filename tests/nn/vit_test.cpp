// Properties of the vision transformer.

#include "nn/vit.h"

#include <set>

#include "tests/nn/model_checks.h"

namespace vmoe::testing {

namespace {

// Configurations that between them use every module.
std::vector<VitConfig> configs() {
  VitConfig cls = small_vit(2), scaled = small_vit(2), cct = small_vit(2);
  cls.pool = Pool::cls;
  cls.activation = Activation::gelu_tanh;
  scaled.fc_norm = true;
  scaled.layer_scale = 0.1;
  scaled.positions = Positions::sincos;
  cct.tokenizer = TokenizerKind::conv;
  cct.conv_layers = 1;
  cct.pool = Pool::seq;
  return {cls, scaled, cct};
}

struct VitUnderTest {
  ParameterStore store;
  Vit vit;

  explicit VitUnderTest(const VitConfig& config) : vit(store, config) {
    store.allocate();
    fill_with_pattern(store);
  }
  ModelUnderTest under_test() {
    return {store, vit.config, [this](Pass& pass, Var images) -> Outputs {
              const Var logits = vit.forward(pass, images);
              return {logits, pseudo_loss(pass, logits)};
            }};
  }
};

std::vector<std::string> names(const VitConfig& config) {
  ParameterStore store;
  const Vit vit(store, config);
  std::vector<std::string> all;
  for (const Parameter& p : store.all()) all.push_back(p.name + " " + to_string(p.shape));
  return all;
}

std::set<std::string> name_set(const VitConfig& config) {
  const std::vector<std::string> all = names(config);
  return {all.begin(), all.end()};
}

TEST_CASE("parameters have timm's names and shapes") {
  VitConfig c = small_vit(2);
  c.depth = 1;
  c.pool = Pool::cls;
  c.layer_scale = 0.1;
  CHECK(name_set(c) == std::set<std::string>{"cls_token [1, 1, 8]",
                                             "pos_embed [1, 5, 8]",
                                             "patch_embed.proj.weight [8, 2, 4, 4]",
                                             "patch_embed.proj.bias [8]",
                                             "blocks.0.norm1.weight [8]",
                                             "blocks.0.norm1.bias [8]",
                                             "blocks.0.attn.qkv.weight [24, 8]",
                                             "blocks.0.attn.qkv.bias [24]",
                                             "blocks.0.attn.proj.weight [8, 8]",
                                             "blocks.0.attn.proj.bias [8]",
                                             "blocks.0.ls1.gamma [8]",
                                             "blocks.0.norm2.weight [8]",
                                             "blocks.0.norm2.bias [8]",
                                             "blocks.0.mlp.fc1.weight [12, 8]",
                                             "blocks.0.mlp.fc1.bias [12]",
                                             "blocks.0.mlp.fc2.weight [8, 12]",
                                             "blocks.0.mlp.fc2.bias [8]",
                                             "blocks.0.ls2.gamma [8]",
                                             "norm.weight [8]",
                                             "norm.bias [8]",
                                             "head.weight [3, 8]",
                                             "head.bias [3]"});
}

TEST_CASE("with fc_norm there is fc_norm and no norm") {
  VitConfig c = small_vit(2);
  c.fc_norm = true;
  CHECK(name_set(c).count("fc_norm.weight [8]") == 1);
  CHECK(name_set(c).count("norm.weight [8]") == 0);
}

TEST_CASE("a CCT's parameters have the reference's names") {
  VitConfig c = small_vit(2);
  c.tokenizer = TokenizerKind::conv;
  c.pool = Pool::seq;
  const std::set<std::string> all = name_set(c);
  CHECK(all.count("tokenizer.conv_layers.0.0.weight [64, 2, 3, 3]") == 1);
  CHECK(all.count("tokenizer.conv_layers.1.0.weight [8, 64, 3, 3]") == 1);
  CHECK(all.count("attention_pool.weight [1, 8]") == 1);
  CHECK(all.count("attention_pool.bias [1]") == 1);
}

TEST_CASE("only weights of linear layers and convolutions decay") {
  VitConfig c = small_vit(2);
  c.pool = Pool::cls;
  c.layer_scale = 0.1;
  ParameterStore store;
  const Vit vit(store, c);
  for (const Parameter& p : store.all()) {
    const bool decays = p.name.ends_with(".weight") && p.name.find("norm") == std::string::npos;
    CAPTURE(p.name);
    CHECK((p.role == Role::weight) == decays);
  }
}

TEST_CASE(
    "start values: Glorot's deviation for linear layers, timm's for patches and positions, ones and zeros") {
  VitConfig c = small_vit(2);
  c.dim = 64;
  c.mlp_dim = 128;
  c.pool = Pool::cls;
  c.layer_scale = 0.25;
  ParameterStore store;
  const Vit vit(store, c);
  store.allocate();
  store.initialise(1);
  const auto deviation = [&](const char* name) {
    const Tensor values = store.value(store.find(name));
    double squares = 0;
    for (const real x : values) squares += static_cast<double>(x) * x;
    return std::sqrt(squares / static_cast<double>(values.count()));
  };
  const auto all_are = [&](const char* name, real want) {
    const Tensor values = store.value(store.find(name));
    return std::all_of(values.begin(), values.end(), [=](real x) { return x == want; });
  };
  // A normal cut at two deviations has 0.880 of its deviation; 10 % for a few thousand draws.
  CHECK(std::abs(deviation("blocks.0.attn.qkv.weight") / (std::sqrt(2.0 / (64 + 192)) * 0.880) - 1) <= 0.1);
  CHECK(std::abs(deviation("blocks.1.mlp.fc2.weight") / (std::sqrt(2.0 / (64 + 128)) * 0.880) - 1) <= 0.1);
  CHECK(std::abs(deviation("pos_embed") / (0.02 * 0.880) - 1) <= 0.2);
  // Uniform in +-1/sqrt(32 inputs): bound / sqrt 3.
  CHECK(std::abs(deviation("patch_embed.proj.weight") * std::sqrt(32.0 * 3) - 1) <= 0.1);
  CHECK(deviation("cls_token") <= 3e-6);
  CHECK(deviation("cls_token") > 0);
  CHECK(all_are("blocks.0.attn.qkv.bias", 0));
  CHECK(all_are("blocks.0.norm1.weight", 1));
  CHECK(all_are("blocks.0.norm1.bias", 0));
  CHECK(all_are("blocks.0.ls1.gamma", real{0.25}));
  CHECK(all_are("head.bias", 0));
}

TEST_CASE("every norm of a model has the configuration's epsilon") {
  VitConfig c = small_vit(2);
  c.norm_eps = 3;
  VitUnderTest model(c);
  std::vector<const LayerNorm*> norms = {&model.vit.norm};
  for (const Block& block : model.vit.blocks) norms.insert(norms.end(), {&block.norm1, &block.norm2});
  std::vector<real> x = {1, -1, 1, -1, 1, -1, 1, -1};  // variance 1: divided by sqrt(1 + 3)
  for (const LayerNorm* norm : norms) {
    for (real& gain : model.store.value(norm->weight)) gain = 1;
    for (real& shift : model.store.value(norm->bias)) shift = 0;
    const ModelGraph graph = [&](Pass& pass, Var input) -> Outputs {
      const Var y = norm->forward(pass, input);
      return {y, sum(pass.tape, y)};
    };
    for (const real y : run_pass(model.store, graph, {1, 8}, x.data()).logits)
      CHECK(std::abs(std::abs(y) - 0.5) <= 4 * kEpsilon);
  }
}

TEST_CASE("permuting images permutes logits") {
  for (const VitConfig& c : configs()) check_permutation(VitUnderTest(c).under_test());
}

TEST_CASE("cutting a batch into chunks changes no byte of the logits") {
  for (const VitConfig& c : configs()) check_chunks(VitUnderTest(c).under_test(), false);
}

TEST_CASE(
    "in training with dropout and drop path, cutting a batch into chunks changes no byte of the logits") {
  for (VitConfig c : configs()) {
    c.dropout = 0.2;
    c.drop_path = 0.3;
    check_chunks(VitUnderTest(c).under_test(), true);
  }
}

TEST_CASE("logits and gradients are the same bytes for any number of threads that share an op") {
  for (const VitConfig& c : configs()) check_teams(VitUnderTest(c).under_test());
}

TEST_CASE("a tape that records nothing gives the same logits") {
  for (const VitConfig& c : configs()) check_inference(VitUnderTest(c).under_test());
}

TEST_CASE("inference takes no more memory for a deeper model") {
  const auto memory = [](int depth) {
    VitConfig c = small_vit(2);
    c.depth = depth;
    VitUnderTest model(c);
    return inference_memory(model.under_test());
  };
  CHECK(memory(2) == memory(12));
}

TEST_CASE("the gradient of every parameter of a whole model is that of central differences") {
  for (VitConfig c : configs()) {
    check_gradients_of(VitUnderTest(c).under_test());
    c.dropout = 0.2;
    c.drop_path = 0.3;
    check_gradients_of(VitUnderTest(c).under_test());
  }
}

}  // namespace

}  // namespace vmoe::testing
