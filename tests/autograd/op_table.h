#pragma once
// The op table: a row for every op of autograd/ops.h. A row says how to call the op and on which inputs; from
// it come the op's gradient check, its golden test, its properties and its refusals (ops_test.cpp). To add an
// op, add its row here, its cases to tests/fixtures/make_ops.py, and OP_TEST(name) to ops_test.cpp;
// forgetting any of them fails the suite.

#include <map>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {

/// One call of an op: its inputs and settings.
struct OpCase {
  std::string what;                                 // what is special about it: "one token"
  std::vector<CheckedInput> inputs;                 // in the order of the op's arguments
  std::map<std::string, double> settings;           // numbers: heads, factor, stride ...
  std::map<std::string, std::vector<int>> indices;  // index lists and shapes

  double setting(const std::string& name) const { return settings.at(name); }
  int integer(const std::string& name) const { return static_cast<int>(settings.at(name)); }
  View<const int> index(const std::string& name) const {
    const std::vector<int>& list = indices.at(name);
    return {list.data(), {static_cast<int64_t>(list.size())}};
  }
};

/// Which numbers an input is drawn from.
enum class Fill {
  normal,         // standard normal
  off_zero,       // 0.1 to 1.6 on either side of zero: away from the kink of relu
  distinct,       // no two nearer than 1/32: away from the ties of max_pool
  probabilities,  // rows that sum to 1
};

/// Name, shape and kind of numbers of an input to draw.
struct Draw {
  std::string name;
  Shape shape;
  Fill fill = Fill::normal;
  bool differentiable = true;
};

/// Settings and index lists of a case.
struct With {
  std::map<std::string, double> settings = {};
  std::map<std::string, std::vector<int>> indices = {};
};

/// How to test one op.
struct OpRow {
  std::string name;  // exactly the function's
  Var (*apply)(Tape& tape, const OpCase& c, const std::vector<Var>& in);
  std::vector<OpCase> cases = {};    // at least 6, small enough for central differences
  std::vector<OpCase> large = {};    // big enough to be cut into pieces for several threads
  std::vector<OpCase> refused = {};  // shapes that cannot meet: ShapeError naming the op

  OpRow& add(const std::string& what, const std::vector<Draw>& draws, const With& with = {});
  OpRow& add_large(const std::string& what, const std::vector<Draw>& draws, const With& with = {});
  OpRow& refuse(const std::string& what, const std::vector<Draw>& draws, const With& with = {});

  /// The op on one case, as a function of its inputs. Row and case must outlive it.
  Graph graph(const OpCase& c) const {
    return [this, &c](Tape& tape, const std::vector<Var>& in) { return apply(tape, c, in); };
  }
};

/// All rows.
const std::vector<OpRow>& op_table();
/// The row of an op; throws std::out_of_range naming it.
const OpRow& row_of(const std::string& name);

/// The rows of each family, in the order of autograd/ops.h.
std::vector<OpRow> elementwise_rows();
std::vector<OpRow> product_rows();
std::vector<OpRow> token_rows();
std::vector<OpRow> window_rows();
std::vector<OpRow> routing_rows();

}  // namespace vmoe::testing
