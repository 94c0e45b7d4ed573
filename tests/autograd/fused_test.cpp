// Fused ops equal their composition from plain ops, forward and backward, on random shapes.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {
namespace {

// Two graphs round differently; both are sums of at most a few hundred products of numbers of order 1.
constexpr double kBound = 128 * kEpsilon;

CheckedInput random_input(const std::string& name, const Shape& shape, Random& random) {
  std::vector<real> values(shape.count());
  for (real& value : values) value = static_cast<real>(random.normal());
  return {name, shape, values};
}

std::vector<double> in_double(const std::vector<real>& values) {
  return {values.begin(), values.end()};
}

void check_same(const Graph& fused, const Graph& composed, const std::vector<CheckedInput>& inputs) {
  const Evaluation got = evaluate(fused, inputs), want = evaluate(composed, inputs);
  CHECK(to_string(got.shape) == to_string(want.shape));
  CHECK_COMPARISON(compare("output", std::span<const real>(got.output), in_double(want.output), kBound));
  for (size_t i = 0; i < inputs.size(); ++i) {
    CHECK_COMPARISON(compare("d" + inputs[i].name, std::span<const real>(got.gradients[i]),
                             in_double(want.gradients[i]), kBound));
  }
}

int between(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<uint32_t>(high - low + 1)));
}

constexpr int kTrials = 12;

}  // namespace

TEST_CASE("attention equals split, product, scale, softmax, product, merge") {
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(1, Stream::test, trial);
    const int batch = between(random, 1, 3), heads = between(random, 1, 4), tokens = between(random, 1, 40);
    const int size = between(random, 1, 33);
    CAPTURE(batch);
    CAPTURE(heads);
    CAPTURE(tokens);
    CAPTURE(size);
    const auto inputs = {random_input("qkv", {batch, tokens, 3 * heads * size}, random)};
    check_same([=](Tape& t, const std::vector<Var>& in) { return attention(t, in[0], heads); },
               [=](Tape& t, const std::vector<Var>& in) {
                 const Var query = split_heads(t, in[0], heads, 0);
                 const Var key = split_heads(t, in[0], heads, 1);
                 const Var value = split_heads(t, in[0], heads, 2);
                 const Var scores = scale(t, matmul_transposed(t, query, key),
                                          static_cast<real>(1 / std::sqrt(static_cast<double>(size))));
                 return merge_heads(t, matmul(t, softmax(t, scores), value), heads);
               },
               inputs);
  }
}

TEST_CASE("the branches of a block equal norm, layers and sum one after the other") {
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(5, Stream::test, trial);
    const int heads = between(random, 1, 3), width = heads * between(random, 1, 24),
              hidden = between(random, 1, 70);
    const Shape shape = {between(random, 1, 4), between(random, 1, 50), width};
    CAPTURE(to_string(shape));
    CAPTURE(hidden);
    const auto inputs = [&](int64_t out, int64_t in) {
      return std::vector<CheckedInput>{random_input("x", shape, random),
                                       random_input("gain", {width}, random),
                                       random_input("bias", {width}, random),
                                       random_input("first_weight", {out, width}, random),
                                       random_input("first_bias", {out}, random),
                                       random_input("second_weight", {width, in}, random),
                                       random_input("second_bias", {width}, random)};
    };
    const real eps = real{1e-3f};
    check_same(
        [=](Tape& t, const std::vector<Var>& in) {
          return attention_branch(t, in[0], {in[1], in[2], eps}, {in[3], in[4]}, heads, {in[5], in[6]});
        },
        [=](Tape& t, const std::vector<Var>& in) {
          const Var qkv = linear(t, layer_norm(t, in[0], in[1], in[2], eps), in[3], in[4]);
          return add(t, in[0], linear(t, attention(t, qkv, heads), in[5], in[6]));
        },
        inputs(3 * width, width));
    const bool exact = trial % 2 == 0;
    check_same(
        [=](Tape& t, const std::vector<Var>& in) {
          return mlp_branch(t, in[0], {in[1], in[2], eps}, {in[3], in[4]},
                            exact ? Activation::gelu : Activation::gelu_tanh, {in[5], in[6]});
        },
        [=](Tape& t, const std::vector<Var>& in) {
          const Var u = linear(t, layer_norm(t, in[0], in[1], in[2], eps), in[3], in[4]);
          return add(t, in[0], linear(t, exact ? gelu(t, u) : gelu_tanh(t, u), in[5], in[6]));
        },
        inputs(hidden, hidden));
  }
}

TEST_CASE("softmax cross entropy equals minus the sum of targets times log softmax") {
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(2, Stream::test, trial);
    const Shape shape = {between(random, 1, 20), between(random, 1, 50)};
    CAPTURE(to_string(shape));
    std::vector<real> targets(shape.count());
    for (int64_t r = 0; r < shape[0]; ++r) {
      // Half the rows name one class, the others mix two of them.
      const double share = trial % 2 ? random.uniform() : 1;
      targets[r * shape[1] + random.below(static_cast<uint32_t>(shape[1]))] += static_cast<real>(share);
      targets[r * shape[1] + random.below(static_cast<uint32_t>(shape[1]))] += static_cast<real>(1 - share);
    }
    const Tensor q{targets.data(), shape};
    check_same([=](Tape& t, const std::vector<Var>& in) { return softmax_cross_entropy(t, in[0], q); },
               [=](Tape& t, const std::vector<Var>& in) {
                 return scale(t, sum(t, mul(t, log_softmax(t, in[0]), t.constant(q))), -1);
               },
               {random_input("logits", shape, random)});
  }
}

TEST_CASE("expert_linear equals a linear layer per expert on that expert's rows") {
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(3, Stream::test, trial);
    const int experts = between(random, 1, 5), in_width = between(random, 1, 40),
              out = between(random, 1, 40);
    std::vector<int> first = {0};
    for (int e = 0; e < experts; ++e) first.push_back(first.back() + between(random, 0, 9));
    const int rows = first.back();
    CAPTURE(experts);
    CAPTURE(rows);
    const auto x = random_input("x", {rows, in_width}, random);
    const auto weight = random_input("weight", {experts, out, in_width}, random);
    const auto bias = random_input("bias", {experts, out}, random);
    const Evaluation all = evaluate(
        [&](Tape& t, const std::vector<Var>& in) {
          return expert_linear(t, in[0], in[1], in[2], {first.data(), {experts + 1}});
        },
        {x, weight, bias});
    for (int e = 0; e < experts; ++e) {
      // The expert's slice of every tensor; its loss weights are those of its rows.
      const auto slice = [](const std::vector<real>& values, int64_t from, int64_t to, int64_t width) {
        return std::vector<real>(values.begin() + from * width, values.begin() + to * width);
      };
      const int own = first[e + 1] - first[e];
      std::vector<real> weights;
      for (int64_t i = int64_t{first[e]} * out; i < int64_t{first[e + 1]} * out; ++i) {
        weights.push_back(static_cast<real>(loss_weight(0, i)));
      }
      const Evaluation one =
          evaluate([](Tape& t, const std::vector<Var>& in) { return linear(t, in[0], in[1], in[2]); },
                   {{"x", {own, in_width}, slice(x.values, first[e], first[e + 1], in_width)},
                    {"weight", {out, in_width}, slice(weight.values, e, e + 1, out * in_width)},
                    {"bias", {out}, slice(bias.values, e, e + 1, out)}},
                   {.weights = &weights});
      const auto check = [&](const char* what, const std::vector<real>& got, const std::vector<real>& want) {
        CHECK_COMPARISON(compare(what, std::span<const real>(got), in_double(want), kBound));
      };
      check("output", slice(all.output, first[e], first[e + 1], out), one.output);
      check("dx", slice(all.gradients[0], first[e], first[e + 1], in_width), one.gradients[0]);
      check("dweight", slice(all.gradients[1], e, e + 1, out * in_width), one.gradients[1]);
      check("dbias", slice(all.gradients[2], e, e + 1, out), one.gradients[2]);
    }
  }
}

TEST_CASE("expert_mlp equals rows gathered by expert, its layers, and rows combined with their gates") {
  for (int trial = 0; trial < kTrials; ++trial) {
    Random random(6, Stream::test, trial);
    const int units = between(random, 1, 6), experts = between(random, 1, 4), choices = between(random, 1, 2);
    // Some units fill more than a block of rows, some are single rows.
    const int rows = trial % 3 == 0 ? 1 : between(random, 2, 80);
    const int64_t width = between(random, 1, 24), hidden = between(random, 1, 40);
    std::vector<int> unit, first = {0};
    std::vector<std::vector<int>> of_expert(experts);
    for (int u = 0; u < units; ++u) {
      const int e = between(random, 0, experts - 1);
      for (int k = 0; k < std::min(choices, experts); ++k) of_expert[(e + k) % experts].push_back(u);
    }
    for (const std::vector<int>& list : of_expert) {
      unit.insert(unit.end(), list.begin(), list.end());
      first.push_back(static_cast<int>(unit.size()));
    }
    const auto count = static_cast<int64_t>(unit.size());
    std::vector<int> first_row;
    for (const int a : first) first_row.push_back(a * rows);
    const View<const int> units_of{unit.data(), {count}}, ranges{first.data(), {experts + 1}},
        row_ranges{first_row.data(), {experts + 1}};
    const Shape shape = {units, rows, width};
    CAPTURE(to_string(shape));
    CAPTURE(experts);
    CAPTURE(hidden);
    const bool exact = trial % 2 == 0;
    check_same(
        [=](Tape& t, const std::vector<Var>& in) {
          return expert_mlp(t, in[0], in[1], in[2], units_of, ranges, units, {in[3], in[4]},
                            exact ? Activation::gelu : Activation::gelu_tanh, {in[5], in[6]});
        },
        [=](Tape& t, const std::vector<Var>& in) {
          const Var x = gather_rows(t, reshape(t, in[1], {units, rows * width}), units_of);
          const Var z = expert_linear(t, reshape(t, x, {count * rows, width}), in[3], in[4], row_ranges);
          const Var o = expert_linear(t, exact ? gelu(t, z) : gelu_tanh(t, z), in[5], in[6], row_ranges);
          const Var y = combine_rows(t, reshape(t, o, {count, rows * width}), in[2], units_of, units);
          return add(t, in[0], reshape(t, y, shape));
        },
        {random_input("base", shape, random), random_input("x", shape, random),
         random_input("gate", {count}, random), random_input("fc1_weight", {experts, hidden, width}, random),
         random_input("fc1_bias", {experts, hidden}, random),
         random_input("fc2_weight", {experts, width, hidden}, random),
         random_input("fc2_bias", {experts, width}, random)});
  }
}

TEST_CASE("log softmax equals the logarithm of softmax; softmax stays finite where e^x would not") {
  Random random(4, Stream::test);
  std::vector<real> x(60);
  for (real& value : x) value = static_cast<real>(random.normal() * 10);
  x[7] = 2000;
  x[8] = 1990;
  x[25] = -3000;
  Arena arena;
  Tape tape(arena);
  const Var v = tape.constant({x.data(), {5, 12}});
  const Tensor p = tape.value(softmax(tape, v)), l = tape.value(log_softmax(tape, v));
  std::vector<double> from_logarithm;
  for (const real value : l) {
    CHECK(std::isfinite(value));
    from_logarithm.push_back(std::exp(static_cast<double>(value)));
  }
  // The logarithm is a difference of numbers near 2000, taken in double.
  const double bound = 32 * kEpsilon + 2000 * std::numeric_limits<double>::epsilon();
  CHECK_COMPARISON(compare("softmax", std::span<const real>(p.begin(), p.end()), from_logarithm, bound));
}

}  // namespace vmoe::testing
