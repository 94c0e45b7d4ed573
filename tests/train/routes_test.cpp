// Who goes where.

#include "train/routes.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/dataset.h"
#include "tensor/error.h"
#include "train/evaluate.h"

using namespace vmoe;

namespace {

ModelConfig mixture(int classes, int experts, int top_k) {
  ModelConfig config;
  config.vit = {
      .image_size = 8, .channels = 3, .patch_size = 4, .dim = 8, .depth = 2, .heads = 2, .mlp_dim = 8};
  config.vit.classes = classes;
  config.moe.router = "image";
  config.moe.experts = experts;
  config.moe.top_k = top_k;
  config.moe.moe_layers = parse_block_choice("last:1");
  return config;
}

}  // namespace

TEST_CASE("images, classes and purity of each expert, worked by hand") {
  Routes routes;
  routes.experts = 3;
  routes.classes = 4;
  routes.counts.resize(3 * 4);
  routes.labels = {0, 1, 1, 2, 3, 3, 3};
  const int chosen[] = {0, 0, 0, 0, 1, 1, 0};
  for (size_t i = 0; i < 7; ++i) ++routes.counts[4 * chosen[i] + routes.labels[i]];
  const auto by_class = by_expert(routes, 0, {});
  REQUIRE(by_class.size() == 3);
  CHECK(by_class[0].units == 5);
  REQUIRE(by_class[0].classes.size() == 4);
  CHECK(by_class[0].classes[0].label == 1);
  CHECK(by_class[0].classes[0].units == 2);
  CHECK(by_class[0].classes[1].label == 0);  // a tie with 2 and 3
  CHECK(by_class[0].purity == 2.0 / 5);
  CHECK(by_class[1].purity == 1);
  CHECK(by_class[2].units == 0);
  CHECK(by_class[2].purity == 0);
  const auto by_super_class = by_expert(routes, 0, {0, 0, 1, 1});
  CHECK(by_super_class[0].purity == 3.0 / 5);
  CHECK(by_super_class[1].purity == 1);
}

TEST_CASE("how much of the choice the class explains, worked by hand") {
  Routes routes;
  routes.experts = 2;
  routes.classes = 2;
  routes.counts = {4, 4, 4, 4,   // independent
                   8, 0, 0, 8,   // the class decides
                   8, 8, 0, 0,   // one expert has all
                   0, 0, 0, 0,   // nothing was seen
                   6, 2, 2, 6};  // I = log 2 - H(1/4)
  CHECK(std::abs(explained_by_class(routes, 0)) <= 1e-12);
  CHECK(explained_by_class(routes, 1) == 1);
  CHECK(explained_by_class(routes, 2) == 0);
  CHECK(explained_by_class(routes, 3) == 0);
  CHECK(std::abs(explained_by_class(routes, 4) - 0.188721876) <= 1e-9);
}

TEST_CASE(
    "an image counts for each of its experts, and they come by their gates, for any number of threads") {
  const auto data = open_dataset("synthetic:families=3,details=2,train=1,test=40,size=8");
  Model model(mixture(data->classes(), 5, 2));
  model.initialise(1);
  for (real& w : model.parameters().value(model.parameters().find("moe.router.weight"))) w *= 100;
  const Preprocess preprocess{.image_size = 8, .mean = {0.5, 0.5, 0.5}, .deviation = {1, 1, 1}};
  const EvaluationImages images(*data, Split::test, preprocess);
  Inference alone(model, 1);
  const Routes routes = find_routes(model, alone, images);
  CHECK(routes.size() == 240);
  REQUIRE(routes.choices.size() == 480);
  CHECK(routes.labels == data->labels(Split::test));
  for (size_t i = 0; i < 240; ++i) {
    const auto &first = routes.choices[2 * i], &second = routes.choices[2 * i + 1];
    CHECK(first.gate >= second.gate);
    CHECK(first.expert != second.expert);
  }
  int64_t sum = 0;
  const auto experts = by_expert(routes, 0, {});
  const Evaluation evaluation = evaluate(model, images, 1);
  for (int e = 0; e < 5; ++e) {
    sum += experts[static_cast<size_t>(e)].units;
    CHECK(experts[static_cast<size_t>(e)].units == evaluation.routing.decisions[0].units_of(e));
  }
  CHECK(sum == 480);
  CHECK(routes.routing == evaluation.routing);
  for (const int threads : {2, 3}) {
    Inference many(model, threads);
    const Routes again = find_routes(model, many, images);
    CHECK(again.routing == routes.routing);
    CHECK(again.labels == routes.labels);
    CHECK(again.counts == routes.counts);
    for (size_t i = 0; i < 480; ++i) {
      CHECK(again.choices[i].expert == routes.choices[i].expert);
      CHECK(again.choices[i].gate == routes.choices[i].gate);
    }
  }
}

TEST_CASE("tokens are counted in every block with experts, by the class of their image") {
  const auto data = open_dataset("synthetic:families=3,details=2,train=1,test=4,size=8");
  ModelConfig config = mixture(data->classes(), 3, 2);
  config.moe.router = "token";
  config.moe.moe_layers = parse_block_choice("0,1");
  Model model(config);
  model.initialise(1);
  const Preprocess preprocess{.image_size = 8, .mean = {0.5, 0.5, 0.5}, .deviation = {1, 1, 1}};
  Inference inference(model, 2);
  const Routes routes = find_routes(model, inference, EvaluationImages(*data, Split::test, preprocess));
  CHECK(routes.routing.unit == Unit::token);
  CHECK(routes.routing.blocks == std::vector<int>{0, 1});
  CHECK(routes.choices.empty());
  const int64_t tokens = config.vit.tokens();
  for (size_t block = 0; block < 2; ++block) {
    std::vector<int64_t> of_class(6);
    const auto experts = by_expert(routes, block, {});
    for (size_t e = 0; e < 3; ++e) {
      CHECK(experts[e].units == routes.routing.decisions[block].units_of(static_cast<int>(e)));
      for (const auto& [label, units] : experts[e].classes) of_class[static_cast<size_t>(label)] += units;
    }
    // Four images of a class, all tokens of each, two experts a token.
    for (const int64_t units : of_class) CHECK(units == 4 * tokens * 2);
  }
}

TEST_CASE("a dense model has no routes") {
  const auto data = open_dataset("synthetic:families=3,details=2,train=1,test=4,size=8");
  ModelConfig config = mixture(data->classes(), 2, 1);
  config.moe = {};
  const Model model(config);
  const Preprocess preprocess{.image_size = 8, .mean = {0, 0, 0}, .deviation = {1, 1, 1}};
  Inference inference(model, 1);
  CHECK_THROWS_AS(find_routes(model, inference, EvaluationImages(*data, Split::test, preprocess)),
                  UsageError);
}
