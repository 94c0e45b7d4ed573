// A mixture made from a dense model starts as that model.

#include "moe/upcycle.h"

#include <cmath>

#include "tensor/error.h"
#include "tests/nn/model_checks.h"

namespace vmoe::testing {

namespace {

ModelConfig mixture_config(int experts, int top_k) {
  ModelConfig c;
  c.vit = small_vit(3);
  c.moe.router = "image";
  c.moe.experts = experts;
  c.moe.top_k = top_k;
  return c;
}

struct DenseModel {
  Model model;
  DenseModel() : model({mixture_config(1, 1).vit, {}}) { fill_with_pattern(model.parameters()); }
};

std::vector<real> logits_of(Model& model) {
  const ModelUnderTest test{model.parameters(), model.config().vit, [&](Pass& pass, Var images) -> Outputs {
                              const Var logits = model.forward(pass, images).logits;
                              return {logits, pseudo_loss(pass, logits)};
                            }};
  return run_images(test, patterned_images(test.config, kImages), {.training = false});
}

Tensor value_of(const Model& model, const std::string& name) {
  const ParameterStore& store = model.parameters();
  REQUIRE(store.find(name));
  return store.value(store.find(name));
}

bool same(Tensor a, Tensor b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

TEST_CASE("every expert is a copy of the dense MLP, all else is taken over, and the router is drawn") {
  const DenseModel dense;
  Model mixture(mixture_config(4, 2)), fresh(mixture_config(4, 2));
  upcycle(dense.model, mixture, {.seed = 3});
  fresh.initialise(3);
  for (const Parameter& parameter : mixture.parameters().all()) {
    CAPTURE(parameter.name);
    const Tensor got = value_of(mixture, parameter.name);
    if (parameter.name == "moe.router.weight") {
      CHECK(same(got, value_of(fresh, parameter.name)));
    } else if (parameter.experts == 0) {
      CHECK(same(got, value_of(dense.model, parameter.name)));
    } else {
      std::string name = parameter.name;
      name.replace(name.find("moe.experts"), std::string("moe.experts").size(), "mlp");
      for (int e = 0; e < 4; ++e) CHECK(same(got.row(e), value_of(dense.model, name)));
    }
  }
}

TEST_CASE("with one expert an image and gate 1, an upcycled model equals the dense one bit for bit") {
  DenseModel dense;
  const std::vector<real> want = logits_of(dense.model);
  for (const int experts : {1, 4}) {
    CAPTURE(experts);
    Model mixture(mixture_config(experts, 1));
    upcycle(dense.model, mixture, {.seed = 3});
    // So sure that the softmax of the chosen expert is 1 and all others 0.
    for (real& w : value_of(mixture, "moe.router.weight")) w *= real{1e6};
    CHECK(logits_of(mixture) == want);
  }
}

TEST_CASE("with renormalised gates an upcycled model is the dense one, shared expert or not, in any blocks") {
  DenseModel dense;
  const std::vector<real> want = logits_of(dense.model);
  for (const bool shared : {false, true}) {
    for (const char* router : {"image", "token"}) {
      CAPTURE(shared);
      CAPTURE(router);
      ModelConfig config = mixture_config(4, 1);
      config.moe.router = router;
      config.moe.renormalise = true;
      config.moe.shared_expert = shared;
      config.moe.moe_layers = parse_block_choice("0,2");
      Model mixture(config);
      upcycle(dense.model, mixture, {.seed = 3});
      CHECK(logits_of(mixture) == want);
    }
  }
}

TEST_CASE("with two experts an image whose gates sum to 1, an upcycled model equals the dense one") {
  DenseModel dense;
  Model mixture(mixture_config(2, 2));
  upcycle(dense.model, mixture, {.seed = 3});
  const std::vector<real> want = logits_of(dense.model);
  CHECK_COMPARISON(compare("logits", std::span<const real>(logits_of(mixture)),
                           std::vector<double>(want.begin(), want.end()), 1e-6));
}

TEST_CASE("the noise on an expert's weights has the deviation asked for, and differs by expert and seed") {
  const DenseModel dense;
  Model mixture(mixture_config(4, 1)), again(mixture_config(4, 1)), other(mixture_config(4, 1));
  upcycle(dense.model, mixture, {.perturb = 0.1, .seed = 3});
  upcycle(dense.model, again, {.perturb = 0.1, .seed = 3});
  upcycle(dense.model, other, {.perturb = 0.1, .seed = 4});
  const std::string fc1 = "blocks.2.moe.experts.fc1.weight", bias = "blocks.2.moe.experts.fc1.bias";
  const Tensor trained = value_of(dense.model, "blocks.2.mlp.fc1.weight"), noisy = value_of(mixture, fc1);
  CHECK(same(noisy, value_of(again, fc1)));
  CHECK(!same(noisy, value_of(other, fc1)));
  CHECK(!same(noisy.row(0), noisy.row(1)));
  double noise = 0, weights = 0;
  for (int e = 0; e < 4; ++e) {
    for (int64_t i = 0; i < trained.count(); ++i) {
      const double difference = noisy.row(e)[i] - trained[i];
      noise += difference * difference;
      weights += trained[i] * trained[i];
    }
  }
  // 384 normal numbers: the deviation of their root mean square is 3.6 %.
  CHECK(std::abs(std::sqrt(noise / weights) - 0.1) <= 0.02);
  CHECK(same(value_of(mixture, bias).row(0), value_of(dense.model, "blocks.2.mlp.fc1.bias")));
  CHECK(same(value_of(mixture, "head.weight"), value_of(dense.model, "head.weight")));
}

TEST_CASE("a mixture is no start for upcycling, and the transformer must be the same") {
  const DenseModel dense;
  ModelConfig wider = mixture_config(2, 1);
  wider.vit.mlp_dim = 16;
  Model mixture(mixture_config(2, 1)), other(wider);
  CHECK_THROWS_AS(upcycle(mixture, mixture, {}), Error);
  CHECK_THROWS_AS(upcycle(dense.model, other, {}), Error);
}

}  // namespace

}  // namespace vmoe::testing
