#include "tests/autograd/op_checks.h"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "tests/support/fixture.h"

namespace vmoe::testing {

void Verdict::require(bool condition, const std::string& complaint) {
  ++checks;
  if (!condition) complaints.push_back(complaint);
}

void Verdict::require(const Comparison& comparison, const std::string& where) {
  std::ostringstream text;
  text << where << ": " << comparison;
  require(comparison.passes(), text.str());
}

namespace {

bool same_bytes(std::span<const real> a, std::span<const real> b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool has_nan(const std::vector<real>& values) {
  return std::any_of(values.begin(), values.end(), [](real x) { return x != x; });
}

std::span<const real> span_of(const Tensor& tensor) {
  return {tensor.begin(), tensor.end()};
}

std::vector<OpCase> small_and_large(const OpRow& row) {
  std::vector<OpCase> cases = row.cases;
  cases.insert(cases.end(), row.large.begin(), row.large.end());
  return cases;
}

}  // namespace

Verdict check_gradients_of(const OpRow& row) {
  Verdict verdict;
  for (const OpCase& c : row.cases) {
    for (const Comparison& comparison : check_gradients(row.graph(c), c.inputs))
      verdict.require(comparison, c.what);
  }
  return verdict;
}

// --- golden values
// ---------------------------------------------------------------------------------------------

namespace {

// Rounding of one result grows at most with the few dozen numbers that are summed for it; the file holds 9
// digits.
constexpr double kGoldenBound = 32 * kEpsilon + 1e-8;

OpCase golden_case(const nlohmann::json& stored) {
  OpCase c{
      .what = stored["what"], .inputs = {}, .settings = stored["settings"], .indices = stored["indices"]};
  for (const auto& input : stored["inputs"]) {
    c.inputs.push_back({input["name"], shape_from(input["shape"]), numbers<real>(input["values"]),
                        input.contains("gradient")});
  }
  return c;
}

}  // namespace

Verdict check_golden_values_of(const OpRow& row) {
  Verdict verdict;
  const nlohmann::json fixture = read_fixture("ops/" + row.name + ".json");
  for (const nlohmann::json& stored : fixture["cases"]) {
    const OpCase c = golden_case(stored);
    const std::vector<real> weights = numbers<real>(stored["weights"]);
    const Evaluation got = evaluate(row.graph(c), c.inputs, {.weights = &weights});
    verdict.require(got.shape == shape_from(stored["output"]["shape"]),
                    c.what + ": shape " + to_string(got.shape));
    const auto require_equal = [&](const std::string& what, const std::vector<real>& values,
                                   const nlohmann::json& want) {
      verdict.require(compare(what, std::span<const real>(values), numbers<double>(want), kGoldenBound),
                      c.what);
    };
    require_equal("output", got.output, stored["output"]["values"]);
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      if (!c.inputs[i].differentiable) continue;
      require_equal("d" + c.inputs[i].name, got.gradients[i], stored["inputs"][i]["gradient"]);
    }
  }
  return verdict;
}

// --- properties
// ------------------------------------------------------------------------------------------------

namespace {

void check_memory(const OpCase& c, const Evaluation& got, Verdict& verdict) {
  verdict.require(got.inputs_intact, c.what + ": writes into or beside an input");
  verdict.require(got.output_in_bounds, c.what + ": writes behind its output");
  verdict.require(!has_nan(got.output), c.what + ": leaves a number of the output unwritten");
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    verdict.require(!has_nan(got.gradients[i]),
                    c.what + ": leaves a number of d" + c.inputs[i].name + " unwritten");
  }
}

void check_inference(const OpRow& row, const OpCase& c, const Evaluation& trained, Verdict& verdict) {
  Arena arena;
  poison(arena);
  ParameterStore store;
  store.allocate();
  const PackedWeights packed(store, kernels(), false);
  Tape tape(arena, store, packed);
  std::vector<Guarded> memory;
  for (const CheckedInput& input : c.inputs) memory.emplace_back(input.shape, input.values);
  std::vector<Var> vars;
  for (Guarded& m : memory) vars.push_back(tape.leaf(m.tensor()));
  const Var y = row.apply(tape, c, vars);
  verdict.require(!tape.wants_grad(y), c.what + ": records on a tape that only computes");
  verdict.require(same_bytes(span_of(tape.value(y)), trained.output),
                  c.what + ": inference computes other bytes");
}

void check_single_gradients(const OpRow& row, const OpCase& c, const Evaluation& all, Verdict& verdict) {
  for (size_t one = 0; one < c.inputs.size(); ++one) {
    if (!c.inputs[one].differentiable) continue;
    std::vector<CheckedInput> inputs = c.inputs;
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i].differentiable = i == one;
    const Evaluation got = evaluate(row.graph(c), inputs);
    verdict.require(same_bytes(got.gradients[one], all.gradients[one]),
                    c.what + ": d" + inputs[one].name + " is another if the other inputs are constant");
  }
}

// Parameters with the values of the case; experts' weights and biases are stacked.
std::vector<ParamId> add_parameters(const OpRow& row, const OpCase& c, ParameterStore& store) {
  std::vector<ParamId> ids;
  for (const CheckedInput& input : c.inputs) {
    const bool is_weight = input.name.ends_with("weight");
    const bool stacked = row.name.starts_with("expert_") && (is_weight || input.name.ends_with("bias"));
    const Role role = is_weight ? Role::weight : Role::bias;
    const int experts = stacked ? static_cast<int>(input.shape[0]) : 0;
    ids.push_back(store.add(input.name, input.shape, role, Init::zeros(), experts));
  }
  store.allocate();
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy(c.inputs[i].values.begin(), c.inputs[i].values.end(), store.value(ids[i]).begin());
  }
  return ids;
}

// Packed weights may round otherwise than weights that are packed on the way, hence a tolerance.
void check_parameters(const OpRow& row, const OpCase& c, const Evaluation& leaves, Verdict& verdict) {
  ParameterStore store;
  const std::vector<ParamId> ids = add_parameters(row, c, store);
  PackedWeights packed(store, kernels(), true);
  packed.pack_all();
  Gradients gradients(store, 8);
  Arena arena;
  poison(arena);
  Tape tape(arena, store, packed, gradients);
  std::vector<Var> vars;
  for (const ParamId id : ids) vars.push_back(tape.parameter(id));
  const Var y = row.apply(tape, c, vars);
  std::vector<real> weights;
  for (int64_t i = 0; i < tape.value(y).count(); ++i) weights.push_back(static_cast<real>(loss_weight(0, i)));
  tape.backward(weighted_sum(tape, y, weights));
  BatchGradient total(store);
  gradients.add_to(total);
  total.complete();

  const auto require_equal = [&](const std::string& what, const Tensor& got, const std::vector<real>& want) {
    const std::vector<double> expected(want.begin(), want.end());
    verdict.require(compare(what + " with parameters", span_of(got), expected, 64 * kEpsilon), c.what);
  };
  require_equal("output", tape.value(y), leaves.output);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!c.inputs[i].differentiable) continue;
    require_equal("d" + c.inputs[i].name, store.view(ids[i], total.data()), leaves.gradients[i]);
  }
}

}  // namespace

Verdict check_properties_of(const OpRow& row) {
  Verdict verdict;
  for (const OpCase& c : small_and_large(row)) {
    const Evaluation got = evaluate(row.graph(c), c.inputs);
    check_memory(c, got, verdict);
    check_inference(row, c, got, verdict);
    check_single_gradients(row, c, got, verdict);
    check_parameters(row, c, got, verdict);
  }
  return verdict;
}

// --- threads and refusals
// --------------------------------------------------------------------------------------

Verdict check_teams_of(const OpRow& row) {
  Verdict verdict;
  for (const OpCase& c : small_and_large(row)) {
    const Evaluation alone = evaluate(row.graph(c), c.inputs);
    for (const int threads : {1, 2, 3, 4}) {
      Team team(threads);
      const Evaluation shared = evaluate(row.graph(c), c.inputs, {.team = &team});
      bool same = same_bytes(shared.output, alone.output);
      for (size_t i = 0; i < c.inputs.size(); ++i)
        same &= same_bytes(shared.gradients[i], alone.gradients[i]);
      verdict.require(same, c.what + ": other bytes for " + std::to_string(threads) + " threads");
    }
  }
  return verdict;
}

Verdict check_refusals_of(const OpRow& row) {
  Verdict verdict;
  for (const OpCase& c : row.refused) {
    std::string message = "no ShapeError";
    try {
      evaluate(row.graph(c), c.inputs);
    } catch (const ShapeError& error) {
      message = error.what();
    }
    verdict.require(message.rfind(row.name, 0) == 0, c.what + ": " + message);
  }
  return verdict;
}

}  // namespace vmoe::testing
