// The balance loss on cases worked by hand, and the load that it takes from the step before.

#include "moe/balance.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/ops.h"
#include "moe/loss.h"
#include "moe/routers/table.h"
#include "tests/support/compare.h"

namespace vmoe::testing {

namespace {

// Three images with logits of probabilities .880797 .119203, .622459 .377541, .450166
// .549834; experts 0, 0, 1.
struct Bench {
  Arena arena;
  Tape tape{arena};
  ModelConfig config;
  std::vector<real> logits, identity = {1, 0, 0, 1}, class_logits;
  Var router_logits;
  std::vector<const Routing*> routings;
  Model::Output output;

  explicit Bench(std::vector<real> z = {2, 0, 1, .5, .2, .4}, int images = 3) : logits(std::move(z)) {
    config.moe.router = "image";
    config.moe.experts = 2;
    config.moe.balance_weight = 0.5;
    class_logits.assign(static_cast<size_t>(images) * 2, 0);
    const auto units = static_cast<int64_t>(logits.size()) / 2;
    router_logits = tape.leaf({logits.data(), {units, 2}});
    const Var weight = tape.constant({identity.data(), {2, 2}});
    routings = {&find_router("image").route(tape, router_logits, weight, {})};
    output.logits = tape.constant({class_logits.data(), {images, 2}});
    output.routing = routings[0];
    output.routings = routings;
  }
  ExpertLoad load(const std::vector<int64_t>& counts) const {
    ExpertLoad load(config);
    REQUIRE(load.set_counts(counts));
    return load;
  }
  std::vector<real> shares(const ExpertLoad& load) {
    const Tensor f = tape.allocate({2});
    load.shares(0, f);
    return {f[0], f[1]};
  }
  double number(Var v) const { return tape.value(v)[0]; }
};

}  // namespace

TEST_CASE("before the first step the load is even, and the balance loss 1 times its weight") {
  Bench bench;
  const ExpertLoad none(bench.config);
  CHECK(bench.shares(none) == std::vector<real>{0.5, 0.5});
  const Var loss = balance_loss(bench.tape, bench.output, bench.config.moe, none, 3);
  CHECK(std::abs(bench.number(loss) - 0.5) <= 1e-6);
  bench.tape.backward(loss);
  for (const real d : bench.tape.grad(bench.router_logits)) CHECK(std::abs(d) <= 1e-7);
}

TEST_CASE("the balance loss is weight E sum_e f_e mean p_e, its gradient that of p alone") {
  Bench bench;
  const Var loss = balance_loss(bench.tape, bench.output, bench.config.moe, bench.load({3, 1}), 3);
  const double p[] = {.880797, .622459, .450166};
  const double mean = (p[0] + p[1] + p[2]) / 3;
  CHECK(std::abs(bench.number(loss) - 0.5 * 2 * (0.75 * mean + 0.25 * (1 - mean))) <= 1e-6);
  bench.tape.backward(loss);
  std::vector<double> want;  // dz_0 = weight E / 3 (f_0 - f_1) p (1 - p): away from the busy expert 0
  for (const double q : p) {
    const double d = 0.5 * 2 / 3 * 0.5 * q * (1 - q);
    want.insert(want.end(), {d, -d});
  }
  const Tensor dz = bench.tape.grad(bench.router_logits);
  CHECK_COMPARISON(compare("dz", std::span<const real>(dz.begin(), dz.end()), want, 1e-6));
}

TEST_CASE("the balance losses of two chunks add up to the batch's") {
  Bench all, head({2, 0}, 1), rest({1, .5, .2, .4}, 2);
  const auto loss = [](Bench& bench) {
    return bench.number(balance_loss(bench.tape, bench.output, bench.config.moe, bench.load({3, 1}), 3));
  };
  CHECK(std::abs(loss(all) - loss(head) - loss(rest)) <= 1e-6);
}

TEST_CASE("tokens are averaged over all tokens of the batch, and MoE blocks are added up") {
  Bench bench({2, 0, 1, .5, .2, .4, 1, 1}, 2);  // two images of two tokens
  bench.config.moe.router = "token";
  bench.routings.push_back(bench.routings[0]);
  bench.output.routings = bench.routings;
  ExpertLoad load(bench.config);
  CHECK(load.counts().size() == 4);  // the last two blocks
  REQUIRE(load.set_counts({1, 0, 0, 1}));
  const double mean = (.880797 + .622459 + .450166 + .5) / 4;
  const Var loss = balance_loss(bench.tape, bench.output, bench.config.moe, load, 2);
  CHECK(std::abs(bench.number(loss) - 0.5 * 2 * (mean + (1 - mean))) <= 1e-6);
}

TEST_CASE("the load counts assignments by decision and expert, and the shares of each decision sum to 1") {
  Bench bench;
  ExpertLoad load(bench.config), two(bench.config);
  load.add(bench.output);
  CHECK(load.counts() == std::vector<int64_t>{2, 1});
  two.add(load);
  two.add(bench.output);
  CHECK(two.counts() == std::vector<int64_t>{4, 2});
  CHECK(std::abs(bench.shares(two)[0] - 2.0 / 3) <= 1e-7);
  CHECK(std::abs(bench.shares(two)[1] - 1.0 / 3) <= 1e-7);
  two.clear();
  CHECK(two.counts() == std::vector<int64_t>{0, 0});
  CHECK(!two.set_counts({1, 2, 3}));
  CHECK(two.set_counts({}));
}

TEST_CASE("a model without balance loss counts nothing and has no such loss") {
  Bench bench;
  bench.config.moe.balance_weight = 0;
  ExpertLoad load(bench.config);
  CHECK(load.counts().empty());
  load.add(bench.output);
  CHECK(load.counts().empty());
  CHECK(!balance_loss(bench.tape, bench.output, bench.config.moe, load, 3));
  CHECK(ExpertLoad({bench.config.vit, MoeConfig{}}).counts().empty());
}

TEST_CASE("the whole loss is the classifier's and the balance loss") {
  Bench bench;
  std::vector<real> targets = {1, 0, 0, 1, 1, 0};
  const ExpertLoad before = bench.load({3, 1});
  const Loss loss = loss_of(bench.tape, bench.output, {targets.data(), {3, 2}}, bench.config.moe, 3, before);
  CHECK(!loss.router);
  const double balance = bench.number(balance_loss(bench.tape, bench.output, bench.config.moe, before, 3));
  CHECK(std::abs(bench.number(loss.balance) - balance) <= 1e-7);
  CHECK(std::abs(bench.number(loss.total) - bench.number(loss.classes) - balance) <= 1e-6);
}

}  // namespace vmoe::testing
