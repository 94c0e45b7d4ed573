// Four test cases for every op, made from its row of the op table: gradients, golden values, properties,
// refusals.

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "tests/autograd/op_table.h"
#include "tests/support/fixture.h"

namespace vmoe::testing {
namespace {

std::set<std::string>& tested_ops() {
  static std::set<std::string> names;
  return names;
}

bool note_tested(const char* name) {
  return tested_ops().insert(name).second;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

std::vector<const OpCase*> all_cases(const OpRow& row) {
  std::vector<const OpCase*> cases;
  for (const OpCase& c : row.cases) cases.push_back(&c);
  for (const OpCase& c : row.large) cases.push_back(&c);
  return cases;
}

// --- gradients
// -------------------------------------------------------------------------------------------------

void check_gradients_of(const OpRow& row) {
  REQUIRE(row.cases.size() >= 6);
  for (const OpCase& c : row.cases) {
    CAPTURE(c.what);
    for (const Comparison& comparison : check_gradients(row.graph(c), c.inputs)) CHECK_COMPARISON(comparison);
  }
}

// --- golden values
// ---------------------------------------------------------------------------------------------

// A case of tests/fixtures/ops/NAME.json.
OpCase golden_case(const nlohmann::json& stored) {
  OpCase c{
      .what = stored["what"], .inputs = {}, .settings = stored["settings"], .indices = stored["indices"]};
  for (const auto& input : stored["inputs"]) {
    c.inputs.push_back({input["name"], shape_from(input["shape"]), numbers<real>(input["values"]),
                        input.contains("gradient")});
  }
  return c;
}

// Rounding of one result grows at most with the few dozen numbers that are summed for it; the file holds 9
// digits.
constexpr double kGoldenBound = 32 * kEpsilon + 1e-8;

void check_golden_values_of(const OpRow& row) {
  const nlohmann::json fixture = read_fixture("ops/" + row.name + ".json");
  REQUIRE(fixture["cases"].size() >= 3);
  for (const nlohmann::json& stored : fixture["cases"]) {
    const OpCase c = golden_case(stored);
    CAPTURE(c.what);
    const std::vector<real> weights = numbers<real>(stored["weights"]);
    const Evaluation got = evaluate(row.graph(c), c.inputs, {.weights = &weights});
    CHECK(to_string(got.shape) == to_string(shape_from(stored["output"]["shape"])));
    CHECK_COMPARISON(compare("output", std::span<const real>(got.output),
                             numbers<double>(stored["output"]["values"]), kGoldenBound));
    for (size_t i = 0; i < c.inputs.size(); ++i) {
      if (!c.inputs[i].differentiable) continue;
      CHECK_COMPARISON(compare("d" + c.inputs[i].name, std::span<const real>(got.gradients[i]),
                               numbers<double>(stored["inputs"][i]["gradient"]), kGoldenBound));
    }
  }
}

// --- properties
// ------------------------------------------------------------------------------------------------

// Every number is written, nothing else is, and inputs stay as they were.
void check_memory(const Evaluation& got) {
  CHECK(got.inputs_intact);
  CHECK(got.output_in_bounds);
  for (const real y : got.output) REQUIRE(y == y);
  for (const auto& gradient : got.gradients) {
    for (const real d : gradient) REQUIRE(d == d);
  }
}

// A tape that records nothing computes the same bytes.
void check_inference(const OpRow& row, const OpCase& c, const Evaluation& trained) {
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
  CHECK_FALSE(tape.wants_grad(y));
  CHECK(same_bytes(trained.output, std::vector<real>(tape.value(y).begin(), tape.value(y).end())));
}

// The gradient of one input does not depend on which others want one.
void check_single_gradients(const OpRow& row, const OpCase& c, const Evaluation& all) {
  for (size_t one = 0; one < c.inputs.size(); ++one) {
    if (!c.inputs[one].differentiable) continue;
    std::vector<CheckedInput> inputs = c.inputs;
    for (size_t i = 0; i < inputs.size(); ++i) inputs[i].differentiable = i == one;
    const Evaluation got = evaluate(row.graph(c), inputs);
    CHECK(same_bytes(got.gradients[one], all.gradients[one]));
  }
}

// Values of a store, packed where they are weights, give the numbers that leaves give.
void check_parameters(const OpRow& row, const OpCase& c, const Evaluation& leaves) {
  ParameterStore store;
  std::vector<ParamId> ids;
  for (const CheckedInput& input : c.inputs) {
    const bool stacked = row.name == "expert_linear" && input.name != "x";
    const Role role = input.name == "weight" ? Role::weight : Role::bias;
    ids.push_back(store.add(input.name, input.shape, role, Init::zeros(),
                            stacked ? static_cast<int>(input.shape[0]) : 0));
  }
  store.allocate();
  for (size_t i = 0; i < ids.size(); ++i) {
    std::copy(c.inputs[i].values.begin(), c.inputs[i].values.end(), store.value(ids[i]).begin());
  }
  PackedWeights packed(store, kernels(), true);
  packed.pack_all();
  Gradients gradients(store, 8);
  gradients.clear();
  Arena arena;
  poison(arena);
  Tape tape(arena, store, packed, gradients);
  std::vector<Var> vars;
  for (const ParamId id : ids) vars.push_back(tape.parameter(id));
  const Var y = row.apply(tape, c, vars);
  std::vector<real> weights;
  for (int64_t i = 0; i < tape.value(y).count(); ++i) weights.push_back(static_cast<real>(loss_weight(0, i)));
  tape.backward(weighted_sum(tape, y, weights));

  const double bound = 64 * kEpsilon;
  CHECK_COMPARISON(compare("output", std::span<const real>(tape.value(y).data, leaves.output.size()),
                           std::vector<double>(leaves.output.begin(), leaves.output.end()), bound));
  std::vector<real> total(store.size());
  gradients.add_to(total.data());
  for (size_t i = 0; i < ids.size(); ++i) {
    if (!c.inputs[i].differentiable) continue;
    const Tensor got = store.view(ids[i], total.data());
    const std::vector<double> want(leaves.gradients[i].begin(), leaves.gradients[i].end());
    CHECK_COMPARISON(
        compare("d" + c.inputs[i].name, std::span<const real>(got.begin(), got.end()), want, bound));
  }
}

void check_properties_of(const OpRow& row) {
  for (const OpCase* c : all_cases(row)) {
    CAPTURE(c->what);
    const Evaluation got = evaluate(row.graph(*c), c->inputs);
    check_memory(got);
    check_inference(row, *c, got);
    check_single_gradients(row, *c, got);
    check_parameters(row, *c, got);
  }
}

// --- threads
// ---------------------------------------------------------------------------------------------------

void check_teams_of(const OpRow& row) {
  REQUIRE_FALSE(row.large.empty());
  for (const OpCase* c : all_cases(row)) {
    CAPTURE(c->what);
    const Evaluation alone = evaluate(row.graph(*c), c->inputs);
    for (const int threads : {1, 2, 3, 4}) {
      CAPTURE(threads);
      Team team(threads);
      const Evaluation shared = evaluate(row.graph(*c), c->inputs, {.team = &team});
      CHECK(same_bytes(shared.output, alone.output));
      for (size_t i = 0; i < c->inputs.size(); ++i)
        CHECK(same_bytes(shared.gradients[i], alone.gradients[i]));
    }
  }
}

// --- refusals
// --------------------------------------------------------------------------------------------------

void check_refusals_of(const OpRow& row) {
  if (row.refused.empty()) MESSAGE(row.name << " takes any shape: nothing to refuse");
  for (const OpCase& c : row.refused) {
    CAPTURE(c.what);
    std::string message = "no ShapeError";
    try {
      evaluate(row.graph(c), c.inputs);
    } catch (const ShapeError& error) {
      message = error.what();
    }
    CHECK_MESSAGE(message.find(row.name) == 0, message);
  }
}

}  // namespace

#define OP_TEST(name)                                                                           \
  TEST_CASE(#name ": gradients equal central differences") {                                    \
    check_gradients_of(row_of(#name));                                                          \
  }                                                                                             \
  TEST_CASE(#name ": values and gradients equal PyTorch's") {                                   \
    check_golden_values_of(row_of(#name));                                                      \
  }                                                                                             \
  TEST_CASE(#name ": writes its output alone, and constants, parameters and inference agree") { \
    check_properties_of(row_of(#name));                                                         \
  }                                                                                             \
  TEST_CASE(#name ": same bytes for 1, 2, 3 and 4 threads") {                                   \
    check_teams_of(row_of(#name));                                                              \
  }                                                                                             \
  TEST_CASE(#name ": shapes that cannot meet are refused by name") {                            \
    check_refusals_of(row_of(#name));                                                           \
  }                                                                                             \
  static const bool name##_is_tested = note_tested(#name);

OP_TEST(add)
OP_TEST(mul)
OP_TEST(scale)
OP_TEST(add_positions)
OP_TEST(scale_channels)
OP_TEST(scale_images)
OP_TEST(relu)
OP_TEST(gelu)
OP_TEST(gelu_tanh)
OP_TEST(reshape)
OP_TEST(linear)
OP_TEST(matmul)
OP_TEST(matmul_transposed)
OP_TEST(layer_norm)
OP_TEST(softmax)
OP_TEST(log_softmax)
OP_TEST(softmax_cross_entropy)
OP_TEST(sum)
OP_TEST(attention)
OP_TEST(split_heads)
OP_TEST(merge_heads)
OP_TEST(mean_tokens)
OP_TEST(select_token)
OP_TEST(prepend_token)
OP_TEST(unfold_planes)
OP_TEST(unfold_tokens)
OP_TEST(max_pool)
OP_TEST(gather_rows)
OP_TEST(gather_entries)
OP_TEST(combine_rows)
OP_TEST(expert_linear)

TEST_CASE("every op of autograd/ops.h has a row, a fixture and tests, and nothing else has") {
  const auto root = fixture_path("").parent_path().parent_path().parent_path();
  std::ifstream header(root / "autograd" / "ops.h");
  REQUIRE(header.good());
  std::set<std::string> ops, rows, fixtures;
  const std::regex declaration("^Var ([a-z0-9_]+)\\(.*");
  std::smatch match;
  for (std::string line; std::getline(header, line);) {
    if (std::regex_match(line, match, declaration)) ops.insert(match[1]);
  }
  for (const OpRow& row : op_table())
    CHECK_MESSAGE(rows.insert(row.name).second, row.name << " has two rows");
  for (const auto& file : std::filesystem::directory_iterator(fixture_path("ops"))) {
    fixtures.insert(file.path().stem().string());
  }
  CHECK(ops.size() >= 31);
  for (const std::string& op : ops) {
    CHECK_MESSAGE(rows.count(op) == 1, op << " has no row in the op table");
    CHECK_MESSAGE(tested_ops().count(op) == 1, op << " has no OP_TEST");
    CHECK_MESSAGE(fixtures.count(op) == 1, op << " has no golden values");
  }
  CHECK(rows == ops);
  CHECK(tested_ops() == ops);
  CHECK(fixtures == ops);
}

}  // namespace vmoe::testing
