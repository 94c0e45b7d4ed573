// The routing contract, its statistics, and the image router on cases worked by hand.

#include "moe/routing.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "autograd/ops.h"
#include "moe/routers/table.h"
#include "moe/routing_statistics.h"
#include "tests/support/compare.h"

namespace vmoe::testing {

namespace {

std::vector<int> ints(View<const int> view) {
  return {view.begin(), view.end()};
}
std::vector<real> reals(Tensor tensor) {
  return {tensor.begin(), tensor.end()};
}

// A tape with logits of choice: the router multiplies the units by the unit matrix.
struct Bench {
  Arena arena;
  Tape tape{arena};
  int experts;
  std::vector<real> logits, identity;
  Var units;

  Bench(std::vector<real> z, int experts) : experts(experts), logits(std::move(z)) {
    identity.assign(experts * experts, 0);
    for (int e = 0; e < experts; ++e) identity[e * experts + e] = 1;
    units = tape.leaf({logits.data(), {static_cast<int64_t>(logits.size()) / experts, experts}});
  }
  const Routing& route(const RouterSettings& settings) {
    const Var weight = tape.constant({identity.data(), {experts, experts}});
    return find_router("image").route(tape, units, weight, settings);
  }
};

TEST_CASE("assignments are sorted by expert, then slot; first choices come before second ones") {
  Arena arena;
  Tape tape(arena);
  const std::vector<int> choices = {2, 0, 0, 2, 2, 1};  // three units, two experts each
  const Routing& r = assign(tape, {choices.data(), {3, 2}}, 4);
  CHECK(r.units == 3);
  CHECK(r.experts == 4);
  CHECK(ints(r.first) == std::vector<int>{0, 2, 3, 6, 6});
  CHECK(ints(r.expert) == std::vector<int>{0, 0, 1, 2, 2, 2});
  CHECK(ints(r.slot) == std::vector<int>{0, 1, 0, 0, 1, 2});
  CHECK(ints(r.unit) == std::vector<int>{1, 0, 2, 0, 2, 1});
  CHECK(ints(r.choice) == std::vector<int>{0, 1, 1, 0, 0, 1});
  CHECK(r.dropped.count() == 0);
}

TEST_CASE("nobody to route is fine") {
  Arena arena;
  Tape tape(arena);
  const Routing& r = assign(tape, {nullptr, {0, 1}}, 2);
  CHECK(r.unit.count() == 0);
  CHECK(ints(r.first) == std::vector<int>{0, 0, 0});
}

TEST_CASE("top-1 sends each image to its most probable expert, with that probability as gate") {
  Bench bench({2, 0, 1, .5, .2, .4}, 2);
  const Routing& r = bench.route({});
  CHECK(ints(r.unit) == std::vector<int>{0, 1, 2});
  CHECK(ints(r.expert) == std::vector<int>{0, 0, 1});
  CHECK(ints(r.slot) == std::vector<int>{0, 1, 0});
  const std::vector<real> p = reals(bench.tape.value(r.probabilities));
  CHECK_COMPARISON(compare("p", std::span<const real>(p),
                           std::vector<double>{.880797, .119203, .622459, .377541, .450166, .549834}, 1e-6));
  CHECK(reals(bench.tape.value(r.gate)) == std::vector<real>{p[0], p[2], p[5]});
}

TEST_CASE("outputs and logit gradients of top-1 are those worked by hand") {
  // Units 1, 2, 3; experts 2x and -x; loss = sum of y.
  Bench bench({2, 0, 1, .5, .2, .4}, 2);
  Tape& tape = bench.tape;
  const Routing& r = bench.route({});
  std::vector<real> outputs;
  for (int64_t a = 0; a < r.unit.count(); ++a) {
    outputs.push_back((r.unit[a] + 1) * (r.expert[a] == 0 ? real{2} : real{-1}));
  }
  const Var y = combine_rows(tape, tape.constant({outputs.data(), {3, 1}}), r.gate, r.unit, 3);
  CHECK_COMPARISON(compare("y", std::span<const real>(reals(tape.value(y))),
                           std::vector<double>{1.761594, 2.489837, -1.649502}, 1e-6));
  tape.backward(sum(tape, y));
  CHECK_COMPARISON(compare("dz", std::span<const real>(reals(tape.grad(bench.units))),
                           std::vector<double>{.209987, -.209987, .940015, -.940015, .742550, -.742550},
                           1e-6));
}

TEST_CASE("the worked example's image of super-class 1 is sent to expert 0, with its probability as gate") {
  Bench bench({1, .5, -.5}, 3);
  const Routing& r = bench.route({});
  CHECK(ints(r.expert) == std::vector<int>{0});
  CHECK_COMPARISON(compare("p", std::span<const real>(reals(bench.tape.value(r.probabilities))),
                           std::vector<double>{.546549, .331499, .121952}, 1e-6));
  CHECK(std::abs(bench.tape.value(r.gate)[0] - .546549) <= 1e-6);
}

TEST_CASE("top-2 keeps raw probabilities, which do not sum to 1") {
  Bench bench({2, 1, .1, .5, 1.5, 1.4, .3, .2, .1}, 3);
  const Routing& r = bench.route({.top_k = 2});
  CHECK(ints(r.unit) == std::vector<int>{0, 2, 1, 0, 2, 1});
  CHECK(ints(r.expert) == std::vector<int>{0, 0, 1, 1, 1, 2});
  CHECK_COMPARISON(compare("gates", std::span<const real>(reals(bench.tape.value(r.gate))),
                           std::vector<double>{.659001, .367165, .440002, .242433, .332225, .398130}, 1e-6));
}

TEST_CASE("renormalised top-2 gates are those worked by hand, and sum to 1") {
  Bench bench({2, 1, .1, .5, 1.5, 1.4, .3, .2, .1}, 3);
  const Routing& r = bench.route({.top_k = 2, .renormalise = true});
  CHECK(ints(r.unit) == std::vector<int>{0, 2, 1, 0, 2, 1});
  CHECK(ints(r.choice) == std::vector<int>{0, 0, 0, 1, 1, 1});
  CHECK_COMPARISON(compare("gates", std::span<const real>(reals(bench.tape.value(r.gate))),
                           std::vector<double>{.731059, .524979, .524979, .268941, .475021, .475021}, 1e-6));
}

TEST_CASE("renormalised gates are finite where all chosen probabilities round to zero but one") {
  Bench bench({300, 0, -300, -300, 0, 300}, 3);
  const Routing& r = bench.route({.top_k = 3, .renormalise = true});
  for (const real gate : reals(bench.tape.value(r.gate))) CHECK((gate >= 0 && gate <= 1));
}

TEST_CASE("a tie goes to the lower expert") {
  Bench bench({1, 1, 1, 0, 3, 3}, 3);
  CHECK(ints(bench.route({}).expert) == std::vector<int>{0, 1});
  CHECK(ints(bench.route({.top_k = 2}).expert) == std::vector<int>{0, 1, 1, 2});
}

TEST_CASE("choosing all experts takes each of them once, with gates that sum to 1") {
  Bench bench({.3, -1, 2, 0, 0, 0}, 3);
  const Routing& r = bench.route({.top_k = 3});
  const std::vector<real> gates = reals(bench.tape.value(r.gate));
  for (int t = 0; t < 2; ++t) {
    double total = 0;
    std::set<int> experts;
    for (int64_t a = 0; a < r.unit.count(); ++a) {
      if (r.unit[a] != t) continue;
      total += gates[a];
      experts.insert(r.expert[a]);
    }
    CHECK(experts.size() == 3);
    CHECK(std::abs(total - 1) <= 1e-6);
  }
}

TEST_CASE("the even choice counts images from their place in the epoch, with the router's gates") {
  Bench bench({9, 0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 0}, 3);
  const Routing& r = bench.route({.choice = Choice::even, .position = 4});  // images 4, 5, 6, 7
  CHECK(ints(r.unit) == std::vector<int>{2, 0, 3, 1});
  CHECK(ints(r.expert) == std::vector<int>{0, 1, 1, 2});
  const std::vector<real> gates = reals(bench.tape.value(r.gate));
  CHECK(gates[0] > real{0.99});
  CHECK(gates[1] < real{0.01});
}

TEST_CASE("a logit that is not finite is an error that names the image") {
  for (const real bad : {std::numeric_limits<real>::quiet_NaN(), std::numeric_limits<real>::infinity()}) {
    Bench bench({1, 2, 1, bad, 3, 4}, 2);
    std::string line;
    try {
      bench.route({.position = 100});
    } catch (const Error& error) {
      line = error.what();
    }
    CHECK(line.find("image 101 ") != std::string::npos);
  }
}

TEST_CASE("a token's logit that is not finite is an error that names image and token") {
  Bench bench({1, 2, 1, 3, 3, 4, 1, std::numeric_limits<real>::infinity()}, 2);
  CHECK_THROWS_WITH_AS(bench.route({.position = 100, .units_per_image = 2}),
                       doctest::Contains("token 1 of image 101 "), Error);
}

TEST_CASE("the even choice counts tokens through the epoch") {
  Bench bench({9, 0, 0, 9, 0, 0, 9, 0, 0, 9, 0, 0}, 3);
  const Routing& r = bench.route({.choice = Choice::even, .position = 4, .units_per_image = 2});
  CHECK(ints(r.unit) == std::vector<int>{1, 2, 0, 3});  // tokens 8, 9, 10, 11
  CHECK(ints(r.expert) == std::vector<int>{0, 1, 2, 2});
}

TEST_CASE("a copied routing says what the first one said") {
  Bench bench({2, 1, .1, .5, 1.5, 1.4, .3, .2, .1}, 3);
  Routing& copy = make_routing(bench.tape, 3, 3, 2);
  const Routing& r = bench.route({.top_k = 2});
  copy_routing(bench.tape, r, copy);
  CHECK(copy.units == r.units);
  CHECK(copy.experts == r.experts);
  for (const auto member : {&Routing::unit, &Routing::expert, &Routing::slot, &Routing::choice,
                            &Routing::first, &Routing::dropped})
    CHECK(ints(copy.*member) == ints(r.*member));
  for (const auto member : {&Routing::logits, &Routing::probabilities, &Routing::gate})
    CHECK(reals(bench.tape.value(copy.*member)) == reals(bench.tape.value(r.*member)));
}

TEST_CASE("an unknown router is answered with the known ones") {
  CHECK_THROWS_WITH_AS(find_router("imgae"), doctest::Contains("known: none, image, token"), UsageError);
}

TEST_CASE("statistics of a case worked by hand") {
  Bench bench({2, 0, 1, .5, .2, .4}, 2);
  RoutingStatistics s(2);
  s.add(bench.tape, bench.route({}));
  const double importance = (.880797 + .622459 + .450166) / 3;
  const auto entropy = [](double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); };
  const double mean_entropy = (entropy(.880797) + entropy(.622459) + entropy(.450166)) / 3;
  CHECK(s.units() == 3);
  CHECK(std::abs(s.load(0) - 2.0 / 3) <= 1e-12);
  CHECK(std::abs(s.cv2_load() - 1.0 / 9) <= 1e-12);  // loads 2/3, 1/3: deviations 1/3 of the mean
  CHECK(std::abs(s.max_violation() - 1.0 / 3) <= 1e-12);
  CHECK(std::abs(s.load_entropy() - entropy(2.0 / 3) / std::log(2)) <= 1e-12);
  CHECK(std::abs(s.entropy() - mean_entropy / std::log(2)) <= 1e-6);
  CHECK(std::abs(s.margin() - (.761594 + .244918 + .099668) / 3) <= 1e-6);
  CHECK(s.units_of(0) == 2);
  CHECK(s.idle_experts().empty());
  CHECK(std::abs(s.mean_entropy() - entropy(importance) / std::log(2)) <= 1e-6);
  CHECK(std::abs(s.gate() - (.880797 + .622459 + .549834) / 3) <= 1e-6);
  CHECK(RoutingStatistics(s.sums()) == s);
}

TEST_CASE("statistics of parts add up to those of the whole") {
  Bench whole({2, 0, 1, .5, .2, .4}, 2), head({2, 0}, 2), tail({1, .5, .2, .4}, 2);
  RoutingStatistics all(2), first(2), rest(2);
  all.add(whole.tape, whole.route({}));
  first.add(head.tape, head.route({}));
  rest.add(tail.tape, tail.route({}));
  first.add(rest);
  CHECK(first.units() == all.units());
  CHECK(first.units_of(1) == all.units_of(1));
  CHECK(std::abs(first.gate() - all.gate()) <= 1e-12);
  CHECK(first.load(1) == all.load(1));
  CHECK(std::abs(first.entropy() - all.entropy()) <= 1e-12);
  CHECK(std::abs(first.margin() - all.margin()) <= 1e-12);
  first.clear();
  CHECK(first.units() == 0);
  CHECK(first.load(0) == 0);
  CHECK(first.entropy() == 0);
  CHECK(first.gate() == 0);
  CHECK(first.max_violation() == 0);
}

TEST_CASE("a collapsed router is told by its statistics") {
  Bench bench({90, 0, 0, 90, 0, 0}, 3);
  RoutingStatistics s(3);
  s.add(bench.tape, bench.route({}));
  CHECK(s.max_violation() == doctest::Approx(2));
  CHECK(s.cv2_load() == doctest::Approx(2));
  CHECK(s.load_entropy() == 0);
  CHECK(s.idle_experts() == std::vector<int>{1, 2});
  CHECK(s.gate() == doctest::Approx(1));
  CHECK(s.mean_entropy() == doctest::Approx(0));
}

}  // namespace

}  // namespace vmoe::testing
