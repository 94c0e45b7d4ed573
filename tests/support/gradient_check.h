#pragma once
// The gradient check: the tape's gradients against central differences (f(x + h) - f(x - h)) / 2h.
// `make check-f64` builds it in double, where the bound is 1e-6; in the float build rounding leaves 2e-3,
// which still catches a wrong sign, a missing factor and swapped numbers.

#include <functional>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "tensor/random.h"
#include "tests/support/compare.h"
#include "tests/support/guarded.h"

namespace vmoe::testing {

/// One input of a function under check. Values lie further than kStep from kinks and ties.
struct CheckedInput {
  std::string name;
  Shape shape;
  std::vector<real> values;
  bool differentiable = true;  // false: a constant of the tape
};

/// A function of its inputs, built on a tape.
using Graph = std::function<Var(Tape& tape, const std::vector<Var>& inputs)>;

#ifdef VMOE_F64
constexpr double kStep = 1e-5;
constexpr double kGradientBound = 1e-6;
#else
constexpr double kStep = 1.0 / 128;
constexpr double kGradientBound = 2e-3;
#endif

/// Weight of output number i in the loss of the u-th use of the output: of order 1, no two alike.
inline double loss_weight(int use, int64_t i) {
  return Random(7, Stream::test, static_cast<uint32_t>(use), static_cast<uint32_t>(i)).uniform(-1, 1);
}

/// Scalar sum_i weights[i] * y[i] as a node whose backward is a plain loop, so that no check depends on
/// another op. `weights` must outlive the tape's use.
inline Var weighted_sum(Tape& tape, Var y, const std::vector<real>& weights) {
  const Tensor value = tape.value(y);
  require_shape("weighted_sum", {static_cast<int64_t>(weights.size())}, {value.count()});
  double total = 0;
  for (int64_t i = 0; i < value.count(); ++i) total += static_cast<double>(weights[i]) * value[i];
  const Tensor sum = tape.allocate({});
  sum[0] = static_cast<real>(total);
  const real* w = weights.data();
  return tape.record(sum, {y}, [y, w](Tape& tape, Tensor dy) {
    const Tensor dx = tape.grad(y);
    for (int64_t i = 0; i < dx.count(); ++i) dx[i] += dy[0] * w[i];
  });
}

/// What a graph computed.
struct Evaluation {
  Shape shape;
  std::vector<real> output;
  std::vector<std::vector<real>> gradients;  // by input; empty for constants
  bool inputs_intact = true;                 // nobody wrote into or beside an input
  bool output_in_bounds = true;              // nobody wrote behind the output
};

struct EvaluateOptions {
  int uses = 1;                           // how often the graph is built on the same inputs; losses are added
  const std::vector<real>* weights = {};  // of the loss of the first use; default: loss_weight
  Team* team = &Team::alone();
};

/// Forward and backward of sum over uses and numbers of weight * output, on poisoned memory.
inline Evaluation evaluate(const Graph& graph, const std::vector<CheckedInput>& inputs,
                           const EvaluateOptions& options = {}) {
  Arena arena;
  poison(arena);
  Tape tape(arena);
  std::vector<Guarded> memory;
  for (const CheckedInput& input : inputs) memory.emplace_back(input.shape, input.values);
  std::vector<std::vector<real>> weights(options.uses);
  Evaluation result;

  const auto run = [&] {
    tape.set_team(*options.team);
    std::vector<Var> vars;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor value = memory[i].tensor();
      vars.push_back(inputs[i].differentiable ? tape.leaf(value) : tape.constant(value));
    }
    Var loss;
    for (int use = 0; use < options.uses; ++use) {
      const Var y = graph(tape, vars);
      const Tensor value = tape.value(y);
      if (options.weights && use == 0) {
        weights[use] = *options.weights;
      } else {
        for (int64_t i = 0; i < value.count(); ++i)
          weights[use].push_back(static_cast<real>(loss_weight(use, i)));
      }
      if (use == 0) {
        result.shape = value.shape;
        result.output.assign(value.begin(), value.end());
        bool shared = false;  // a view of an input has the input's canaries behind it
        for (Guarded& m : memory) shared |= m.tensor().data == value.data;
        result.output_in_bounds = shared || slack_is_poison(value);
      }
      const Var part = weighted_sum(tape, y, weights[use]);
      if (!loss) {
        loss = part;
      } else {
        const Tensor sum = tape.allocate({});
        sum[0] = tape.value(loss)[0] + tape.value(part)[0];
        loss = tape.record(sum, {loss, part}, [loss, part](Tape& tape, Tensor dy) {
          if (tape.wants_grad(loss)) tape.grad(loss)[0] += dy[0];
          if (tape.wants_grad(part)) tape.grad(part)[0] += dy[0];
        });
      }
    }
    if (tape.wants_grad(loss)) tape.backward(loss);
    for (size_t i = 0; i < inputs.size(); ++i) {
      result.gradients.emplace_back();
      if (!inputs[i].differentiable) continue;
      const Tensor gradient = tape.grad(vars[i]);
      result.gradients.back().assign(gradient.begin(), gradient.end());
    }
  };
  options.team->lead(run);
  for (size_t i = 0; i < inputs.size(); ++i) {
    result.inputs_intact &= memory[i].intact() && memory[i].holds(inputs[i].values);
  }
  return result;
}

/// The loss of `evaluate` in double, without gradients.
inline double loss_of(const Graph& graph, const std::vector<CheckedInput>& inputs, int uses, Arena& arena) {
  arena.reset();
  Tape tape(arena);
  std::vector<Var> vars;
  for (const CheckedInput& input : inputs) {
    vars.push_back(tape.constant({const_cast<real*>(input.values.data()), input.shape}));
  }
  const Tensor y = tape.value(graph(tape, vars));
  double loss = 0;
  for (int64_t i = 0; i < y.count(); ++i) {
    for (int use = 0; use < uses; ++use)
      loss += static_cast<double>(static_cast<real>(loss_weight(use, i))) * y[i];
  }
  return loss;
}

/// Central differences of `loss_of` by every number of input `which`.
inline std::vector<double> numeric_gradient(const Graph& graph, std::vector<CheckedInput> inputs,
                                            size_t which, int uses) {
  Arena arena;
  std::vector<double> gradient;
  for (real& x : inputs[which].values) {
    const real middle = x, above = static_cast<real>(middle + kStep),
               below = static_cast<real>(middle - kStep);
    x = above;
    const double up = loss_of(graph, inputs, uses, arena);
    x = below;
    const double down = loss_of(graph, inputs, uses, arena);
    x = middle;
    gradient.push_back((up - down) / (static_cast<double>(above) - below));
  }
  return gradient;
}

/// Checks the gradient of every differentiable input, with the output used once and twice in one graph (so
/// that a backward which overwrites instead of adding is caught): max|a - n| <= kGradientBound * max(1,
/// max|n|).
inline std::vector<Comparison> check_gradients(const Graph& graph, const std::vector<CheckedInput>& inputs) {
  std::vector<Comparison> comparisons;
  for (int uses = 1; uses <= 2; ++uses) {
    const Evaluation analytic = evaluate(graph, inputs, {.uses = uses});
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].differentiable) continue;
      const std::vector<double> numeric = numeric_gradient(graph, inputs, i, uses);
      comparisons.push_back(compare("d" + inputs[i].name + (uses == 2 ? " of two uses" : ""),
                                    std::span<const real>(analytic.gradients[i]), numeric, kGradientBound));
    }
  }
  return comparisons;
}

}  // namespace vmoe::testing
