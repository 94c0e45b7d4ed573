// The loss of Mobile V-MoE on a case worked by hand.

#include "moe/loss.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/compare.h"

namespace vmoe::testing {

namespace {

struct Bench {
  Arena arena;
  Tape tape{arena};
  std::vector<real> logits, router_logits, targets;
  MoeConfig config;
  Model::Output output;

  // Four classes and three experts; class n belongs to super-class {1, 0, 2, 1}[n].
  Bench(std::vector<real> class_logits, std::vector<real> expert_logits, std::vector<real> target)
      : logits(std::move(class_logits)), router_logits(std::move(expert_logits)), targets(std::move(target)) {
    config.router = "image";
    config.experts = 3;
    config.super_classes = {1, 0, 2, 1};
    const int64_t images = static_cast<int64_t>(logits.size()) / 4;
    output.logits = tape.leaf({logits.data(), {images, 4}});
    output.router_logits = tape.leaf({router_logits.data(), {images, 3}});
  }
  Loss loss(int64_t batch) {
    return loss_of(tape, output, {targets.data(), tape.value(output.logits).shape}, config, batch,
                   ExpertLoad({{}, config}));
  }
  double number(Var v) const { return tape.value(v)[0]; }
};

TEST_CASE("class and router loss of one image are those worked by hand") {
  Bench bench({2, .5, .1, -1}, {1, .5, -.5}, {1, 0, 0, 0});
  const Loss loss = bench.loss(1);
  CHECK(std::abs(bench.number(loss.classes) - .352406) <= 1e-6);
  CHECK(std::abs(bench.number(loss.router) - 0.3 * 1.104131) <= 1e-6);
  CHECK(std::abs(bench.number(loss.total) - .683645) <= 1e-6);
  bench.tape.backward(loss.total);
  const Tensor dz = bench.tape.grad(bench.output.router_logits);
  const double want[] = {.3 * .546549, .3 * -.668501, .3 * .121952};
  CHECK_COMPARISON(
      compare("dL_g", std::span<const real>(dz.begin(), dz.end()), std::span<const double>(want), 1e-6));
}

TEST_CASE("the router's loss has the weight that the configuration gives it") {
  Bench bench({2, .5, .1, -1}, {1, .5, -.5}, {1, 0, 0, 0});
  for (const double weight : {0.0, 0.3, 2.0}) {
    bench.config.super_class_weight = weight;
    const Loss loss = bench.loss(1);
    CHECK(std::abs(bench.number(loss.router) - weight * 1.104131) <= 3e-6);
    CHECK(std::abs(bench.number(loss.total) - .352406 - weight * 1.104131) <= 3e-6);
  }
}

TEST_CASE("soft targets are soft for the router: the sum over the classes of a super-class") {
  // .4 + .1 of super-class 1, .3 of 0, .2 of 2.
  Bench bench({2, .5, .1, -1}, {1, .5, -.5}, {.4, .3, .2, .1});
  const double p[] = {.546549, .331499, .121952};
  const double want = -.3 * std::log(p[0]) - .5 * std::log(p[1]) - .2 * std::log(p[2]);
  CHECK(std::abs(bench.number(bench.loss(1).router) - .3 * want) <= 1e-6);
}

TEST_CASE("the losses of two chunks add up to the batch's mean") {
  Bench both({2, .5, .1, -1, 0, 1, 2, 3}, {1, .5, -.5, 0, 0, 1}, {1, 0, 0, 0, 0, 0, .5, .5});
  Bench first({2, .5, .1, -1}, {1, .5, -.5}, {1, 0, 0, 0}), second({0, 1, 2, 3}, {0, 0, 1}, {0, 0, .5, .5});
  const double sum = first.number(first.loss(2).total) + second.number(second.loss(2).total);
  CHECK(std::abs(both.number(both.loss(2).total) - sum) <= 1e-6);
}

TEST_CASE("without super-classes there is no router loss") {
  Bench bench({2, .5, .1, -1}, {1, .5, -.5}, {1, 0, 0, 0});
  bench.config.super_classes.clear();
  const Loss loss = bench.loss(1);
  CHECK(!loss.router);
  CHECK(loss.total.id == loss.classes.id);
}

TEST_CASE("a dense model has the classifier's loss alone") {
  Bench bench({2, .5, .1, -1}, {1, .5, -.5}, {1, 0, 0, 0});
  bench.output.router_logits = {};
  CHECK(std::abs(bench.number(bench.loss(1).total) - .352406) <= 1e-6);
}

}  // namespace

}  // namespace vmoe::testing
