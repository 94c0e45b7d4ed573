// Deliberately broken ops. Each must be caught by the check that is made for its kind of mistake; a mutant
// that survives is a hole in the checks.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/autograd/op_checks.h"

namespace vmoe::testing {
namespace {

using In = const std::vector<Var>&;

// The row of `op` with another function in place of the op.
OpRow mutant(const std::string& op, Var (*apply)(Tape&, const OpCase&, In)) {
  OpRow row = row_of(op);
  row.apply = apply;
  return row;
}

// y = x with a backward of the caller's, on the right values of scale: factor * x.
template <class Backward>
Var scaled(Tape& tape, const OpCase& c, Var x, Backward backward) {
  const real factor = static_cast<real>(c.setting("factor"));
  const Tensor X = tape.value(x), y = tape.allocate(X.shape);
  for (int64_t i = 0; i < y.count(); ++i) y[i] = factor * X[i];
  return tape.record(y, {x}, [=](Tape& tape, Tensor dy) { backward(tape, factor, dy); });
}

bool caught(const Verdict& verdict) {
  return verdict.checks > 0 && !verdict.complaints.empty();
}

}  // namespace

TEST_CASE("the stand-in that mutants are made from is sound") {
  const OpRow sound = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad(x);
      for (int64_t i = 0; i < dx.count(); ++i) dx[i] += factor * dy[i];
    });
  });
  CHECK(check_gradients_of(sound).passes());
  CHECK(check_golden_values_of(sound).passes());
  CHECK(check_properties_of(sound).passes());
  CHECK(check_teams_of(sound).passes());
}

TEST_CASE("a gradient with the wrong sign is caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad(x);
      for (int64_t i = 0; i < dx.count(); ++i) dx[i] -= factor * dy[i];
    });
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_golden_values_of(broken)));
}

TEST_CASE("a gradient without its factor is caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real, Tensor dy) {
      const Tensor dx = tape.grad(x);
      for (int64_t i = 0; i < dx.count(); ++i) dx[i] += dy[i];
    });
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_golden_values_of(broken)));
}

TEST_CASE("a gradient that overwrites instead of adding is caught, by the second use alone") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad_target(x).tensor;
      for (int64_t i = 0; i < dx.count(); ++i) dx[i] = factor * dy[i];
    });
  });
  const Verdict verdict = check_gradients_of(broken);
  REQUIRE(caught(verdict));
  for (const std::string& complaint : verdict.complaints) {
    CHECK(complaint.find("dx of two uses") != std::string::npos);
  }
}

TEST_CASE("a gradient that adds to memory nobody has cleared is caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad_target(x).tensor;
      for (int64_t i = 0; i < dx.count(); ++i) dx[i] += factor * dy[i];
    });
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("two numbers of a gradient swapped are caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad(x);
      const int64_t last = dx.count() - 1;
      for (int64_t i = 0; i <= last; ++i) {
        dx[i] += factor * dy[last >= 1 && i == 0 ? 1 : last >= 1 && i == 1 ? 0 : i];
      }
    });
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_golden_values_of(broken)));
}

TEST_CASE("a gradient that ends one number early is caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    return scaled(t, c, in[0], [x = in[0]](Tape& tape, real factor, Tensor dy) {
      const Tensor dx = tape.grad(x);
      for (int64_t i = 0; i + 1 < dx.count(); ++i) dx[i] += factor * dy[i];
    });
  });
  CHECK(caught(check_gradients_of(broken)));
}

TEST_CASE("a bias without gradient is caught") {
  const OpRow broken = mutant("linear", [](Tape& t, const OpCase&, In in) {
    return linear(t, in[0], in[1], in.size() > 2 ? t.constant(t.value(in[2])) : Var{});
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_golden_values_of(broken)));
}

TEST_CASE("the wrong function with its right gradient is caught by golden values, and only there") {
  const OpRow approximate = mutant("gelu", [](Tape& t, const OpCase&, In in) { return gelu_tanh(t, in[0]); });
  CHECK(check_gradients_of(approximate).passes());
  CHECK(caught(check_golden_values_of(approximate)));

  const OpRow unscaled = mutant("attention", [](Tape& t, const OpCase& c, In in) {
    const int heads = c.integer("heads");
    const Var scores = matmul_transposed(t, split_heads(t, in[0], heads, 0), split_heads(t, in[0], heads, 1));
    return merge_heads(t, matmul(t, softmax(t, scores), split_heads(t, in[0], heads, 2)), heads);
  });
  CHECK(check_gradients_of(unscaled).passes());
  CHECK(caught(check_golden_values_of(unscaled)));

  const OpRow swapped = mutant("split_heads", [](Tape& t, const OpCase& c, In in) {
    return split_heads(t, in[0], c.integer("heads"), 2 - c.integer("part"));
  });
  CHECK(check_gradients_of(swapped).passes());
  CHECK(caught(check_golden_values_of(swapped)));

  const OpRow another_epsilon = mutant("layer_norm", [](Tape& t, const OpCase& c, In in) {
    const real eps = static_cast<real>(c.setting("eps") * 1.01 + 1e-4);
    return layer_norm(t, in[0], in.size() > 1 ? in[1] : Var{}, in.size() > 1 ? in[2] : Var{}, eps);
  });
  CHECK(check_gradients_of(another_epsilon).passes());
  CHECK(caught(check_golden_values_of(another_epsilon)));
}

TEST_CASE("rows that reach the wrong expert are caught") {
  const OpRow broken = mutant("expert_linear", [](Tape& t, const OpCase& c, In in) {
    std::vector<int>& first = const_cast<OpCase&>(c).indices.at("first");
    static std::vector<int> shifted;  // lives as long as the tape's use
    shifted = first;
    for (size_t e = 1; e + 1 < first.size(); ++e) shifted[e] = std::min(first[e] + 1, first.back());
    return expert_linear(t, in[0], in[1], in[2], {shifted.data(), {static_cast<int64_t>(shifted.size())}});
  });
  CHECK(caught(check_golden_values_of(broken)));
}

TEST_CASE("units that reach the wrong expert are caught") {
  const OpRow mixed = mutant("expert_mlp", [](Tape& t, const OpCase& c, In in) {
    static std::vector<int> turned;  // lives as long as the tape's use
    turned = c.indices.at("unit");
    std::reverse(turned.begin(), turned.end());
    const size_t x = c.inputs[0].name == "base" ? 1 : 0;
    return expert_mlp(t, x ? in[0] : Var{}, in[x], in[x + 1],
                      {turned.data(), {static_cast<int64_t>(turned.size())}}, c.index("first"),
                      c.integer("units"), {in[x + 2], in[x + 3]}, Activation::gelu, {in[x + 4], in[x + 5]});
  });
  CHECK(caught(check_golden_values_of(mixed)));
}

TEST_CASE("a single NaN in the output is caught") {
  const OpRow broken = mutant("relu", [](Tape& t, const OpCase&, In in) {
    const Var y = relu(t, in[0]);
    const Tensor Y = t.value(y);
    if (Y.count() > 0) Y[Y.count() - 1] = static_cast<real>(NAN);
    return y;
  });
  CHECK(caught(check_gradients_of(broken)));
  CHECK(caught(check_golden_values_of(broken)));
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("an output number that is never written is caught") {
  const OpRow broken = mutant("scale", [](Tape& t, const OpCase& c, In in) {
    const Tensor X = t.value(in[0]), y = t.allocate(X.shape);
    for (int64_t i = 0; i + 1 < y.count(); ++i) y[i] = static_cast<real>(c.setting("factor")) * X[i];
    return t.constant(y);
  });
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("an op that writes into its input is caught") {
  const OpRow broken = mutant("relu", [](Tape& t, const OpCase&, In in) {
    const Var y = relu(t, in[0]);
    for (real& x : t.value(in[0])) x = x < 0 ? 0 : x;
    return y;
  });
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("an op that writes beside its input or behind its output is caught") {
  const OpRow beside = mutant("relu", [](Tape& t, const OpCase&, In in) {
    const Tensor X = t.value(in[0]);
    if (!t.param(in[0])) *X.end() = 0;  // leaves have canaries there
    return relu(t, in[0]);
  });
  CHECK(caught(check_properties_of(beside)));
  const OpRow behind = mutant("relu", [](Tape& t, const OpCase&, In in) {
    const Var y = relu(t, in[0]);
    *t.value(y).end() = 0;
    return y;
  });
  CHECK(caught(check_properties_of(behind)));
}

TEST_CASE("an op that computes something else at inference is caught") {
  const OpRow broken = mutant("gelu", [](Tape& t, const OpCase&, In in) {
    return t.recording() ? gelu(t, in[0]) : gelu_tanh(t, in[0]);
  });
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("a gradient that is right only if all inputs want one is caught") {
  const OpRow broken = mutant("mul", [](Tape& t, const OpCase&, In in) {
    return t.wants_grad(in[0]) && t.wants_grad(in[1]) ? mul(t, in[0], in[1])
                                                      : mul(t, in[0], scale(t, in[1], 1.001f));
  });
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("a gradient of parameters that goes astray is caught") {
  const OpRow broken = mutant("linear", [](Tape& t, const OpCase&, In in) {
    const bool parameter = static_cast<bool>(t.param(in[1]));
    const Var weight = parameter ? t.constant(t.value(in[1])) : in[1];
    return linear(t, in[0], weight, in.size() > 2 ? in[2] : Var{});
  });
  CHECK(caught(check_properties_of(broken)));
}

TEST_CASE("a sum that is cut into as many pieces as there are threads is caught") {
  const OpRow broken = mutant("sum", [](Tape& t, const OpCase&, In in) {
    const Tensor X = t.value(in[0]), y = t.allocate({});
    const int64_t threads = t.team().threads();
    y[0] = 0;
    for (int64_t piece = 0; piece < threads; ++piece) {
      real part = 0;
      for (int64_t i = X.count() * piece / threads; i < X.count() * (piece + 1) / threads; ++i) part += X[i];
      y[0] += part;
    }
    return t.constant(y);
  });
  CHECK(caught(check_teams_of(broken)));
}

TEST_CASE("an op that takes shapes which cannot meet is caught") {
  const OpRow silent = mutant("add", [](Tape&, const OpCase&, In in) { return in[0]; });
  CHECK(caught(check_refusals_of(silent)));
  const OpRow nameless =
      mutant("add", [](Tape&, const OpCase&, In) -> Var { throw ShapeError("shapes differ"); });
  CHECK(caught(check_refusals_of(nameless)));
}

}  // namespace vmoe::testing
