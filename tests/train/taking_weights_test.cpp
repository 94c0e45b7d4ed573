// Inference that holds every matrix once.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "tensor/random.h"
#include "train/inference.h"

using namespace vmoe;

namespace {

ModelConfig small_model() {
  ModelConfig config;
  config.vit = {
      .image_size = 16, .channels = 3, .patch_size = 4, .dim = 72, .depth = 3, .heads = 3, .mlp_dim = 100};
  config.vit.pool = Pool::cls;
  config.vit.classes = 5;
  return config;
}

ModelConfig with_experts() {
  ModelConfig config = small_model();
  config.moe.router = "image";
  config.moe.experts = 3;
  config.moe.top_k = 2;
  return config;
}

ModelConfig compact() {  // convolutions, attention for pool
  ModelConfig config = small_model();
  config.vit.tokenizer = TokenizerKind::conv;
  config.vit.conv_layers = 2;
  config.vit.pool = Pool::seq;
  return config;
}

std::vector<real> logits(const Model& model, Inference& inference) {
  const VitConfig& vit = model.config().vit;
  InferenceWorker& worker = inference.worker(0);
  worker.tape.reset();
  const Tensor images = worker.arena.tensor({4, vit.channels, vit.image_size, vit.image_size});
  Random random(3, Stream::test);
  for (real& pixel : images) pixel = static_cast<real>(random.normal());
  const Tensor values = worker.tape.value(inference.forward(worker, images).logits);
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("a model whose weights were taken gives the same bytes, whatever its layers") {
  for (const ModelConfig& config : {small_model(), with_experts(), compact()}) {
    CAPTURE(to_json(config).dump());
    Model kept(config), given(config);
    kept.initialise(1);
    given.initialise(1);
    Inference copied(kept, 1), taking = Inference::taking_weights(given, 1);
    CHECK(logits(kept, copied) == logits(given, taking));
    CHECK(copied.waiting_experts() == 0);
    for (const Parameter& parameter : given.parameters().all()) {
      CAPTURE(parameter.name);
      const ParamId id = given.parameters().find(parameter.name);
      const bool matrix = parameter.role == Role::weight, waiting = parameter.experts > 0;
      if (!waiting || taking.waiting_experts() == 0) CHECK(given.parameters().released(id) == matrix);
      CHECK_FALSE(kept.parameters().released(id));
    }
    CHECK_THROWS_AS(taking.pack(), Error);
  }
}
