// Layers whose weights are packed in bfloat16 for training: outputs and all gradients against those of fp32,
// and of one layer against sums of rounded products.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "autograd/ops.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {
namespace {

CheckedInput random_input(const std::string& name, const Shape& shape, Random& random, double scale = 1) {
  std::vector<real> values(shape.count());
  for (real& value : values) value = static_cast<real>(scale * random.normal());
  return {name, shape, values};
}

int between(Random& random, int low, int high) {
  return low + static_cast<int>(random.below(static_cast<uint32_t>(high - low + 1)));
}

/// An op on x, its first input, and parameters; those named "...weight" are matrices, stacked if `experts` >
/// 0.
struct Layer {
  std::string name;
  Graph graph;
  std::vector<CheckedInput> inputs;
  int experts = 0;
};

Evaluation evaluate_packed(const Layer& layer, const NarrowKernels* narrow) {
  ParameterStore store;
  std::vector<ParamId> ids;
  for (size_t i = 1; i < layer.inputs.size(); ++i) {
    const CheckedInput& input = layer.inputs[i];
    const Role role = input.name.ends_with("weight") ? Role::weight : Role::bias;
    ids.push_back(store.add(input.name, input.shape, role, Init::zeros(), layer.experts));
  }
  store.allocate();
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy(layer.inputs[i + 1].values.begin(), layer.inputs[i + 1].values.end(),
              store.value(ids[i]).begin());
  }
  PackedWeights packed(store, kernels(), true, {narrow});
  packed.pack_all();
  Gradients gradients(store, 8);
  Arena arena;
  poison(arena);
  Tape tape(arena, store, packed, gradients);
  Guarded x(layer.inputs[0].shape, layer.inputs[0].values);
  std::vector<Var> vars = {tape.leaf(x.tensor())};
  for (const ParamId id : ids) vars.push_back(tape.parameter(id));
  const Var y = layer.graph(tape, vars);
  Evaluation result;
  const Tensor value = tape.value(y);
  result.output.assign(value.begin(), value.end());
  std::vector<real> weights;
  for (int64_t i = 0; i < value.count(); ++i) weights.push_back(static_cast<real>(loss_weight(0, i)));
  tape.backward(weighted_sum(tape, y, weights));
  const Tensor dx = tape.grad(vars[0]);
  result.gradients.emplace_back(dx.begin(), dx.end());
  BatchGradient total(store);
  gradients.add_to(total);
  total.complete();
  for (const ParamId id : ids) {
    const Tensor d = store.view(id, total.data());
    result.gradients.emplace_back(d.begin(), d.end());
  }
  return result;
}

std::vector<Layer> layers(int trial) {
  Random random(11, Stream::test, trial);
  const int heads = between(random, 1, 3), width = heads * between(random, 8, 24),
            hidden = between(random, 8, 70);
  const Shape shape = {between(random, 1, 4), between(random, 2, 50), width};
  const double fan_in = 1 / std::sqrt(width);
  const auto branch = [&](int64_t out, int64_t in) {
    return std::vector<CheckedInput>{random_input("x", shape, random),
                                     random_input("gain", {width}, random),
                                     random_input("bias", {width}, random),
                                     random_input("first_weight", {out, width}, random, fan_in),
                                     random_input("first_bias", {out}, random),
                                     random_input("second_weight", {width, in}, random, fan_in),
                                     random_input("second_bias", {width}, random)};
  };
  const real eps = real{1e-3f};
  std::vector<Layer> all;
  all.push_back({"linear",
                 [](Tape& t, const std::vector<Var>& in) { return linear(t, in[0], in[1], in[2]); },
                 {random_input("x", {shape.rows(), width}, random),
                  random_input("weight", {hidden, width}, random), random_input("bias", {hidden}, random)}});
  all.push_back(
      {"attention_branch",
       [=](Tape& t, const std::vector<Var>& in) {
         return attention_branch(t, in[0], {in[1], in[2], eps}, {in[3], in[4]}, heads, {in[5], in[6]});
       },
       branch(3 * width, width)});
  all.push_back(
      {"mlp_branch",
       [=](Tape& t, const std::vector<Var>& in) {
         return mlp_branch(t, in[0], {in[1], in[2], eps}, {in[3], in[4]}, Activation::gelu, {in[5], in[6]});
       },
       branch(hidden, hidden)});
  all.push_back({"a layer used twice on one input, whose gradients are added",
                 [](Tape& t, const std::vector<Var>& in) {
                   return add(t, linear(t, in[0], in[1], in[2]), scale(t, linear(t, in[0], in[1], in[2]), 3));
                 },
                 all[0].inputs});
  const int experts = 4;
  static const int first[experts + 1] = {0, 7, 7, 20, 33};  // expert 1 has no rows
  all.push_back({"expert_linear",
                 [](Tape& t, const std::vector<Var>& in) {
                   return expert_linear(t, in[0], in[1], in[2], {first, {experts + 1}});
                 },
                 {random_input("x", {first[experts], width}, random),
                  random_input("weight", {experts, hidden, width}, random),
                  random_input("bias", {experts, hidden}, random)},
                 experts});
  return all;
}

/// |got - want| / |want| in the Euclidean norm.
double distance(const std::vector<real>& got, const std::vector<real>& want) {
  double error = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (double{got[i]} - want[i]) * (double{got[i]} - want[i]);
    size += double{want[i]} * want[i];
  }
  return std::sqrt(error / size);
}

/// Runs `check` for every table that trains, in use beside its kernels.
template <class Check>
void with_tables_that_train(const Check& check) {
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (!table->trains()) continue;
    CAPTURE(std::string(table->name));
    use_kernels(table->companion);
    check(*table);
  }
  use_kernels("auto");
}

/// x rounded to bfloat16.
double rounded(double x) {
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(x, 8 - exponent)), exponent - 8);
}

}  // namespace

TEST_CASE("with bfloat16 factors outputs and gradients of every layer are near those of fp32, but others") {
  with_tables_that_train([](const NarrowKernels& table) {
    for (int trial = 0; trial < 12; ++trial) {
      for (const Layer& layer : layers(trial)) {
        CAPTURE(trial);
        CAPTURE(layer.name);
        const Evaluation want = evaluate_packed(layer, nullptr), got = evaluate_packed(layer, &table);
        // A factor is off by at most 2^-9 of itself. Gradients have passed several products, and those of
        // norms are sums over rows, which cancel.
        CHECK(distance(got.output, want.output) <= 1.0 / 128);
        CHECK(distance(got.output, want.output) > 0);
        for (size_t i = 0; i < want.gradients.size(); ++i) {
          CAPTURE(layer.inputs[i].name);
          CHECK(distance(got.gradients[i], want.gradients[i]) <= 1.0 / 64);
          if (layer.inputs[i].name.ends_with("weight")) CHECK(got.gradients[i] != want.gradients[i]);
        }
        CHECK(got.gradients.back() ==
              want.gradients.back());  // the last bias: sums of what comes from behind
      }
    }
  });
}

TEST_CASE("a layer with bfloat16 factors is fp32's on rounded numbers, in all three products") {
  with_tables_that_train([](const NarrowKernels& table) {
    for (int trial = 0; trial < 12; ++trial) {
      const Layer layer = layers(trial)[0];
      CAPTURE(trial);
      const Evaluation got = evaluate_packed(layer, &table);
      const int64_t rows = layer.inputs[0].shape[0], in = layer.inputs[0].shape[1],
                    out = layer.inputs[1].shape[0];
      const std::vector<real>&x = layer.inputs[0].values, &w = layer.inputs[1].values,
            &b = layer.inputs[2].values;
      std::vector<double> y(rows * out), dx(rows * in), dw(out * in);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t o = 0; o < out; ++o) {
          const double dy = rounded(static_cast<real>(loss_weight(0, r * out + o)));
          y[r * out + o] = b[o];
          for (int64_t i = 0; i < in; ++i) {
            y[r * out + o] += rounded(x[r * in + i]) * rounded(w[o * in + i]);
            dx[r * in + i] += dy * rounded(w[o * in + i]);
            dw[o * in + i] += dy * rounded(x[r * in + i]);
          }
        }
      }
      constexpr double kBound = 64 * kEpsilon;  // the order of sums
      CHECK_COMPARISON(compare("y", std::span<const real>(got.output), y, kBound));
      CHECK_COMPARISON(compare("dx", std::span<const real>(got.gradients[0]), dx, kBound));
      CHECK_COMPARISON(compare("dW", std::span<const real>(got.gradients[1]), dw, kBound));
    }
  });
}

TEST_CASE("with bfloat16 an expert without rows has a gradient that is exactly zero") {
  with_tables_that_train([](const NarrowKernels& table) {
    const Layer layer = layers(0).back();
    const Evaluation got = evaluate_packed(layer, &table);
    const int64_t one = layer.inputs[1].shape[1] * layer.inputs[1].shape[2];
    for (int64_t i = 0; i < one; ++i) CHECK(got.gradients[1][one + i] == 0);
  });
}

TEST_CASE(
    "weights that are excepted stay in fp32, and both forms of the others are packed in half the bytes") {
  with_tables_that_train([](const NarrowKernels& table) {
    ParameterStore store;
    const ParamId narrow = store.add("a", {192, 96}, Role::weight, Init::zeros());
    const ParamId exact = store.add("b", {192, 96}, Role::weight, Init::zeros());
    store.allocate();
    const PackedWeights packed(store, kernels(), true, {&table, {exact}});
    CHECK(packed.of(narrow)->narrow == &table);
    CHECK((packed.of(narrow)->codes && packed.of(narrow)->backward_codes));
    CHECK((!packed.of(narrow)->forward && !packed.of(narrow)->backward));
    CHECK(packed.of(exact)->narrow == nullptr);
    CHECK((packed.of(exact)->forward && packed.of(exact)->backward));
    CHECK(packed.bytes() == 3 * 192 * 96 * sizeof(real));
  });
}

}  // namespace vmoe::testing
