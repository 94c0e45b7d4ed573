// Test cases for every op, made from its row of the op table: gradients, golden values, properties, threads,
// refusals.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/autograd/op_checks.h"
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

void report(const Verdict& verdict) {
  for (const std::string& complaint : verdict.complaints) FAIL_CHECK(complaint);
  CHECK(verdict.passes());
}

}  // namespace

#define OP_TEST(name)                                                                       \
  TEST_CASE(#name ": gradients equal central differences") {                                \
    REQUIRE(row_of(#name).cases.size() >= 6);                                               \
    report(check_gradients_of(row_of(#name)));                                              \
  }                                                                                         \
  TEST_CASE(#name ": values and gradients equal PyTorch's") {                               \
    report(check_golden_values_of(row_of(#name)));                                          \
  }                                                                                         \
  TEST_CASE(#name ": writes its output alone; constants, parameters and inference agree") { \
    report(check_properties_of(row_of(#name)));                                             \
  }                                                                                         \
  TEST_CASE(#name ": same bytes for 1, 2, 3 and 4 threads") {                               \
    REQUIRE(row_of(#name).large.size() >= 1);                                               \
    report(check_teams_of(row_of(#name)));                                                  \
  }                                                                                         \
  static const bool name##_is_tested = note_tested(#name);

#define OP_REFUSES(name)                                                      \
  TEST_CASE(#name ": shapes that cannot meet are refused by the op's name") { \
    report(check_refusals_of(row_of(#name)));                                 \
  }

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
OP_TEST(attention_branch)
OP_TEST(mlp_branch)
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
OP_TEST(expert_mlp)

// The others take any shape.
OP_REFUSES(add)
OP_REFUSES(mul)
OP_REFUSES(add_positions)
OP_REFUSES(scale_channels)
OP_REFUSES(scale_images)
OP_REFUSES(reshape)
OP_REFUSES(linear)
OP_REFUSES(matmul)
OP_REFUSES(matmul_transposed)
OP_REFUSES(layer_norm)
OP_REFUSES(softmax_cross_entropy)
OP_REFUSES(attention)
OP_REFUSES(attention_branch)
OP_REFUSES(mlp_branch)
OP_REFUSES(split_heads)
OP_REFUSES(merge_heads)
OP_REFUSES(mean_tokens)
OP_REFUSES(select_token)
OP_REFUSES(prepend_token)
OP_REFUSES(unfold_planes)
OP_REFUSES(unfold_tokens)
OP_REFUSES(max_pool)
OP_REFUSES(gather_rows)
OP_REFUSES(gather_entries)
OP_REFUSES(combine_rows)
OP_REFUSES(expert_linear)
OP_REFUSES(expert_mlp)

TEST_CASE("every instruction set of this machine passes every op's golden values and gradients") {
  const std::string in_use = kernels().name;
  for (const Kernels* table : available_kernels()) {
    CAPTURE(table->name);
    use_kernels(table->name);
    for (const OpRow& row : op_table()) {
      report(check_golden_values_of(row));
      report(check_gradients_of(row));
    }
  }
  use_kernels(in_use);
}

TEST_CASE("every op of autograd/ops.h has a row, a fixture and tests, and nothing else has") {
  const auto root = fixture_path("").parent_path().parent_path().parent_path();
  std::ifstream header(root / "autograd" / "ops.h");
  REQUIRE(header.good());
  std::set<std::string> ops, rows, fixtures;
  const std::string start = "Var ";
  for (std::string line; std::getline(header, line);) {
    if (line.rfind(start, 0) == 0) ops.insert(line.substr(start.size(), line.find('(') - start.size()));
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
