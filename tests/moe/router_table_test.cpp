// What every row of the router table promises, on random units: the routing contract, equality with a plain,
// slow reference, gates and gradients, permutation of units, the same bytes for any number of threads.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "autograd/ops.h"
#include "moe/routers/table.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {

namespace {

// Units x [T, D] and weight W [E, D] of a router that chooses K experts.
struct RoutingCase {
  int units, dim, experts, top_k;
  CheckedInput x, weight;
  bool renormalise = false;

  RouterSettings settings() const { return {.top_k = top_k, .renormalise = renormalise}; }

  std::vector<CheckedInput> inputs() const { return {x, weight}; }
};

std::vector<real> random_numbers(int64_t count, Random& random) {
  std::vector<real> numbers(count);
  for (real& number : numbers) number = static_cast<real>(random.normal());
  return numbers;
}

RoutingCase draw_case(int units, int dim, int experts, int top_k, uint32_t seed) {
  Random random(21, Stream::test, seed);
  CheckedInput x{"x", {units, dim}, random_numbers(int64_t{units} * dim, random)};
  CheckedInput weight{"weight", {experts, dim}, random_numbers(int64_t{experts} * dim, random)};
  return {units, dim, experts, top_k, std::move(x), std::move(weight)};
}

// --- the reference: z = W x, p = softmax(z), the K largest p, gate = p, or p by the sum of these K ---

struct Decision {
  std::vector<double> probability;  // [E]
  std::vector<double> gate;         // [E], 0 if not chosen
  std::vector<int> chosen;          // [K], largest first; ties go to the lower expert
  double gap = INFINITY;            // between the last chosen logit and the first that is not
};

Decision decide(const RoutingCase& c, int unit) {
  std::vector<double> z(c.experts, 0.0);
  for (int e = 0; e < c.experts; ++e) {
    for (int d = 0; d < c.dim; ++d) {
      z[e] += static_cast<double>(c.x.values[unit * c.dim + d]) * c.weight.values[e * c.dim + d];
    }
  }
  Decision decision;
  double total = 0;
  for (const double logit : z) total += std::exp(logit);
  for (const double logit : z) decision.probability.push_back(std::exp(logit) / total);
  std::vector<int> order(c.experts);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return z[a] > z[b]; });
  if (c.top_k < c.experts) decision.gap = z[order[c.top_k - 1]] - z[order[c.top_k]];
  decision.chosen.assign(order.begin(), order.begin() + c.top_k);
  decision.gate.assign(c.experts, 0);
  double chosen = 0;
  for (const int e : decision.chosen) chosen += decision.probability[e];
  for (const int e : decision.chosen)
    decision.gate[e] = decision.probability[e] / (c.renormalise ? chosen : 1);
  return decision;
}

// A case in which no choice is so close that rounding, or a step of the gradient check, could turn it.
RoutingCase clear_case(int units, int dim, int experts, int top_k, double gap) {
  for (uint32_t seed = 0;; ++seed) {
    REQUIRE(seed < 100000);
    RoutingCase c = draw_case(units, dim, experts, top_k, seed);
    bool clear = true;
    for (int t = 0; t < units; ++t) clear &= decide(c, t).gap > gap;
    if (clear) return c;
  }
}

// Every case with raw gates, and with gates that sum to 1.
std::vector<RoutingCase> with_renormalised(std::vector<RoutingCase> cases) {
  const size_t count = cases.size();
  for (size_t i = 0; i < count; ++i) {
    cases.push_back(cases[i]);
    cases.back().renormalise = true;
  }
  return cases;
}

std::vector<RoutingCase> clear_cases() {
  return with_renormalised({clear_case(1, 1, 1, 1, 1e-3), clear_case(5, 4, 3, 1, 1e-3),
                            clear_case(7, 3, 5, 2, 1e-3), clear_case(12, 8, 6, 6, 1e-3),
                            clear_case(9, 16, 2, 2, 1e-3), clear_case(33, 5, 10, 3, 1e-3),
                            clear_case(4, 20, 65, 1, 1e-3), clear_case(64, 24, 16, 4, 1e-3)});
}

// --- what a router said ---

struct Said {
  std::vector<int> unit, expert, slot, first, dropped;
  std::vector<real> gate, probability;

  // The gate of an expert for a unit, 0 if it was not chosen.
  double gate_of(int t, int e) const {
    double sum = 0;
    for (size_t a = 0; a < unit.size(); ++a) sum += unit[a] == t && expert[a] == e ? gate[a] : 0;
    return sum;
  }
};

Said route(const Router& router, const RoutingCase& c, Team& team = Team::alone()) {
  Arena arena;
  poison(arena);
  Tape tape(arena);
  tape.set_team(team);
  std::vector<real> x = c.x.values, weight = c.weight.values;
  Said said;
  team.lead([&] {
    const Routing& r = router.route(tape, tape.constant({x.data(), c.x.shape}),
                                    tape.constant({weight.data(), c.weight.shape}), c.settings());
    CHECK(r.units == c.units);
    CHECK(r.experts == c.experts);
    const Tensor gate = tape.value(r.gate), p = tape.value(r.probabilities);
    said = {{r.unit.begin(), r.unit.end()},
            {r.expert.begin(), r.expert.end()},
            {r.slot.begin(), r.slot.end()},
            {r.first.begin(), r.first.end()},
            {r.dropped.begin(), r.dropped.end()},
            {gate.begin(), gate.end()},
            {p.begin(), p.end()}};
  });
  return said;
}

// Calls check(router, case) for every router, instruction set and case.
template <class Check>
void for_all(const std::vector<RoutingCase>& cases, const Check& check) {
  const std::string in_use = kernels().name;
  for (const Router& router : routers()) {
    for (const Kernels* table : available_kernels()) {
      use_kernels(table->name);
      for (const RoutingCase& c : cases) {
        INFO(router.name << " on " << table->name << ": " << c.units << " units of " << c.dim << ", "
                         << c.top_k << " of " << c.experts << " experts, "
                         << (c.renormalise ? "renormalised" : "raw") << " gates");
        check(router, c);
      }
    }
  }
  use_kernels(in_use);
}

// The output of experts that give every unit one number, weighted by the gates: [T, 1].
Graph gated_numbers(const Router& router, const RoutingCase& c) {
  return [&router, &c](Tape& tape, const std::vector<Var>& in) {
    const Routing& r = router.route(tape, in[0], in[1], c.settings());
    const Tensor outputs = tape.allocate({r.unit.count(), 1});
    for (int64_t a = 0; a < outputs.count(); ++a)
      outputs[a] = static_cast<real>(loss_weight(100 + r.unit[a], r.expert[a]));
    return combine_rows(tape, tape.constant(outputs), r.gate, r.unit, c.units);
  };
}

}  // namespace

TEST_CASE(
    "every router keeps the contract: sorted by expert, then slot; no slot and no expert twice for a unit") {
  for_all(clear_cases(), [](const Router& router, const RoutingCase& c) {
    const Said said = route(router, c);
    REQUIRE(said.first.size() == static_cast<size_t>(c.experts) + 1);
    CHECK(said.first.front() == 0);
    CHECK(said.first.back() == static_cast<int>(said.unit.size()));
    std::set<std::pair<int, int>> pairs;
    for (int e = 0; e < c.experts; ++e) {
      for (int a = said.first[e]; a < said.first[e + 1]; ++a) {
        CHECK(said.expert[a] == e);
        CHECK(said.slot[a] == a - said.first[e]);
        CHECK((said.unit[a] >= 0 && said.unit[a] < c.units));
        CHECK(pairs.insert({said.unit[a], e}).second);
      }
    }
    CHECK(said.dropped.empty());
  });
}

TEST_CASE("every router's gates are those of the plain reference, at most 1 a unit in sum") {
  for_all(clear_cases(), [](const Router& router, const RoutingCase& c) {
    const Said said = route(router, c);
    CHECK(said.unit.size() == static_cast<size_t>(c.units) * c.top_k);
    std::vector<double> gates, want, probabilities;
    for (int t = 0; t < c.units; ++t) {
      const Decision decision = decide(c, t);
      double total = 0;
      for (int e = 0; e < c.experts; ++e) {
        want.push_back(decision.gate[e]);
        gates.push_back(said.gate_of(t, e));
        total += gates.back();
      }
      CHECK(total <= 1 + 8 * kEpsilon);
      if (c.renormalise || c.top_k == c.experts) CHECK(std::abs(total - 1) <= 8 * kEpsilon);
      probabilities.insert(probabilities.end(), decision.probability.begin(), decision.probability.end());
    }
    // Logits are sums of at most 24 products of order 1, and errors of logits become relative ones of gates.
    CHECK_COMPARISON(compare("gates", std::span<const double>(gates), want, 64 * kEpsilon));
    CHECK_COMPARISON(
        compare("probabilities", std::span<const real>(said.probability), probabilities, 64 * kEpsilon));
  });
}

TEST_CASE("experts that are alike are a tie at any place among them, and the lower ones are chosen") {
  for (const int experts : {2, 3, 9, 16, 33, 70}) {
    RoutingCase c = draw_case(6, 10, experts, 2, 3);
    for (int e = 1; e < experts; ++e)
      std::copy_n(c.weight.values.begin(), c.dim, c.weight.values.begin() + e * c.dim);
    for_all({c}, [](const Router& router, const RoutingCase& tie) {
      const Said said = route(router, tie);
      CHECK(said.expert == std::vector<int>{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1});
      CHECK(said.unit == std::vector<int>{0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5});
    });
  }
}

TEST_CASE("units in another order get the same experts and, in every bit, the same gates") {
  for_all(clear_cases(), [](const Router& router, const RoutingCase& c) {
    std::vector<int> order(c.units);
    std::iota(order.begin(), order.end(), 0);
    shuffle(order.data(), order.size(), Random(22, Stream::test));
    RoutingCase moved = c;
    for (int t = 0; t < c.units; ++t)
      std::copy_n(c.x.values.begin() + order[t] * c.dim, c.dim, moved.x.values.begin() + t * c.dim);
    const Said said = route(router, c), again = route(router, moved);
    for (int t = 0; t < c.units; ++t) {
      for (int e = 0; e < c.experts; ++e) CHECK(again.gate_of(t, e) == said.gate_of(order[t], e));
    }
  });
}

TEST_CASE("a router's decision is the same bytes for 1, 2, 3, 4 and 8 threads that share it") {
  for_all(clear_cases(), [](const Router& router, const RoutingCase& c) {
    const Said alone = route(router, c);
    for (const int threads : {1, 2, 3, 4, 8}) {
      Team team(threads);
      const Said shared = route(router, c, team);
      CHECK(shared.gate == alone.gate);
      CHECK(shared.unit == alone.unit);
      CHECK(shared.expert == alone.expert);
    }
  });
}

TEST_CASE("gradients through the gates reach units and router, and equal central differences") {
  for_all(with_renormalised({clear_case(1, 1, 1, 1, .2), clear_case(3, 2, 3, 1, .2),
                             clear_case(4, 3, 4, 2, .2), clear_case(3, 5, 3, 3, .2),
                             clear_case(2, 4, 18, 1, .2), clear_case(5, 3, 2, 1, .2)}),
          [](const Router& router, const RoutingCase& c) {
            for (const Comparison& comparison : check_gradients(gated_numbers(router, c), c.inputs()))
              CHECK_COMPARISON(comparison);
          });
}

TEST_CASE("dz_e = p_e (u_e - sum_j p_j u_j), not chosen experts included; renormalised, with gates for p") {
  for_all(clear_cases(), [](const Router& router, const RoutingCase& c) {
    const std::vector<CheckedInput> inputs = c.inputs();
    const Evaluation got = evaluate(gated_numbers(router, c), inputs);
    std::vector<double> dx(c.x.values.size(), 0.0), dweight(c.weight.values.size(), 0.0);
    for (int t = 0; t < c.units; ++t) {
      const Decision decision = decide(c, t);
      std::vector<double> u(c.experts, 0.0);
      double mean = 0;
      for (const int e : decision.chosen) {
        u[e] = static_cast<real>(loss_weight(100 + t, e)) * static_cast<real>(loss_weight(0, t));
        mean += decision.gate[e] * u[e];
      }
      for (int e = 0; e < c.experts; ++e) {
        const double share = c.renormalise ? decision.gate[e] : decision.probability[e];
        const double dz = share * (u[e] - mean);
        for (int d = 0; d < c.dim; ++d) {
          dx[t * c.dim + d] += dz * c.weight.values[e * c.dim + d];
          dweight[e * c.dim + d] += dz * c.x.values[t * c.dim + d];
        }
      }
    }
    CHECK_COMPARISON(compare("dx", std::span<const real>(got.gradients[0]), dx, 128 * kEpsilon));
    CHECK_COMPARISON(compare("dweight", std::span<const real>(got.gradients[1]), dweight, 128 * kEpsilon));
  });
}

TEST_CASE("a renormalised gate of one expert is exactly 1, and its router gets a gradient of exactly 0") {
  RoutingCase c = clear_case(7, 6, 5, 1, 1e-3);
  c.renormalise = true;
  for (real& w : c.weight.values) w *= 60;  // raw gates would be anything from 1/5 to 1
  for_all({c}, [](const Router& router, const RoutingCase& sharp) {
    const Said said = route(router, sharp);
    CHECK(std::all_of(said.gate.begin(), said.gate.end(), [](real g) { return g == 1; }));
    const Evaluation got = evaluate(gated_numbers(router, sharp), sharp.inputs());
    for (const auto& gradient : got.gradients)
      CHECK(std::all_of(gradient.begin(), gradient.end(), [](real g) { return g == 0; }));
  });
}

}  // namespace vmoe::testing
