#pragma once
// What is checked of every op. Each check returns its complaints instead of failing, so that mutants_test.cpp
// can hand it a broken op and require that it complains.

#include <string>
#include <vector>

#include "tests/autograd/op_table.h"

namespace vmoe::testing {

/// Outcome of a check: how much was looked at, and what was wrong.
struct Verdict {
  int checks = 0;
  std::vector<std::string> complaints;

  void require(bool condition, const std::string& complaint);
  void require(const Comparison& comparison, const std::string& where);
  bool passes() const { return checks > 0 && complaints.empty(); }
};

/// Gradients equal central differences, in every case of the row.
Verdict check_gradients_of(const OpRow& row);
/// Values and gradients equal those that PyTorch computed (tests/fixtures/ops/NAME.json).
Verdict check_golden_values_of(const OpRow& row);
/// Every number is written and nothing beside it; inputs stay; a tape that records nothing computes the same
/// bytes; a gradient does not depend on which other inputs want one; parameters of a store give what leaves
/// give.
Verdict check_properties_of(const OpRow& row);
/// 1, 2, 3 and 4 threads compute the same bytes, forward and backward.
Verdict check_teams_of(const OpRow& row);
/// Shapes that cannot meet throw a ShapeError that begins with the op's name.
Verdict check_refusals_of(const OpRow& row);

}  // namespace vmoe::testing
