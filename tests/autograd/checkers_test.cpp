// The checkers checked: they must complain about what they are made to find.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "tests/support/compare.h"
#include "tests/support/fixture.h"
#include "tests/support/gradient_check.h"
#include "tests/support/guarded.h"

namespace vmoe::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Comparison compare_lists(const std::vector<double>& got, const std::vector<double>& want,
                         double relative = 1e-6) {
  return compare("test", std::span<const double>(got), want, relative);
}

}  // namespace

TEST_CASE("the comparer passes equal numbers and errors within the tolerance") {
  CHECK(compare_lists({1, -2, 3}, {1, -2, 3}).passes());
  CHECK(compare_lists({1, -2, 3 + 2.9e-6}, {1, -2, 3}).passes());
  CHECK(compare_lists({}, {}).passes());
  CHECK(compare_lists({kInfinity}, {kInfinity}).passes());
}

TEST_CASE("the tolerance grows with the largest number and has a floor of 1") {
  CHECK(compare_lists({1000.0005, 1}, {1000, 1}).passes());
  CHECK_FALSE(compare_lists({10.0005, 1}, {10, 1}).passes());
  CHECK(compare_lists({0.5e-6}, {0}).passes());
  CHECK_FALSE(compare_lists({2e-6}, {0}).passes());
}

TEST_CASE("the comparer complains about NaN on either side, wherever it stands") {
  for (size_t place = 0; place < 3; ++place) {
    std::vector<double> broken = {1, 2, 3};
    broken[place] = kNan;
    CHECK_FALSE(compare_lists(broken, {1, 2, 3}).passes());
    CHECK_FALSE(compare_lists({1, 2, 3}, broken).passes());
    CHECK_FALSE(compare_lists(broken, broken).passes());
    CHECK(compare_lists(broken, {1, 2, 3}).index == static_cast<int64_t>(place));
  }
  CHECK_FALSE(compare_lists({1}, {1}, kNan).passes());
}

TEST_CASE("the comparer complains about infinities, also when they would make the tolerance infinite") {
  CHECK_FALSE(compare_lists({kInfinity}, {1}).passes());
  CHECK_FALSE(compare_lists({1}, {kInfinity}).passes());
  CHECK_FALSE(compare_lists({1, 5}, {kInfinity, 5}).passes());
  CHECK_FALSE(compare_lists({kInfinity}, {-kInfinity}).passes());
}

TEST_CASE(
    "the comparer complains about a flipped sign, a swapped pair, a missing factor and another length") {
  CHECK_FALSE(compare_lists({1, -2, 3}, {1, 2, 3}).passes());
  CHECK_FALSE(compare_lists({2, 1, 3}, {1, 2, 3}).passes());
  CHECK_FALSE(compare_lists({0.5, 1, 1.5}, {1, 2, 3}).passes());
  CHECK_FALSE(compare_lists({1, 2}, {1, 2, 3}).passes());
  CHECK_FALSE(compare_lists({1, 2, 3, 4}, {1, 2, 3}).passes());
}

TEST_CASE("the comparer names the worst place and both numbers") {
  const Comparison c = compare_lists({1, 2.25, 3.5}, {1, 2, 3});
  CHECK(c.index == 2);
  std::ostringstream text;
  text << c;
  CHECK(text.str() == "test: error 0.5, tolerance 3e-06, worst at [2]: got 3.5, want 3");
  CHECK_FALSE(all_pass({compare_lists({1}, {1}), c}));
  CHECK(all_pass({compare_lists({1}, {1})}));
}

TEST_CASE("a guarded tensor notices writes on either side, poison that is left, and changed numbers") {
  Guarded guarded({2, 3});
  const Tensor t = guarded.tensor();
  CHECK(guarded.intact());
  CHECK(guarded.holds_poison());
  const std::vector<real> values = {0, 1, 2, 3, 4, 5};
  std::copy(values.begin(), values.end(), t.begin());
  CHECK(guarded.intact());
  CHECK_FALSE(guarded.holds_poison());
  CHECK(guarded.holds(values));
  SUBCASE("one behind the end") {
    *t.end() = 0;
    CHECK_FALSE(guarded.intact());
  }
  SUBCASE("one before the start") {
    t.begin()[-1] = 0;
    CHECK_FALSE(guarded.intact());
  }
  SUBCASE("another number, even -0 for 0") {
    t[0] = -t[0];
    CHECK_FALSE(guarded.holds(values));
  }
}

TEST_CASE("a poisoned arena hands out NaN, and shows writes behind a tensor") {
  Arena arena;
  poison(arena);
  const Tensor t = arena.tensor({3});
  for (const real x : t) CHECK(std::isnan(x));
  CHECK(slack_is_poison(t));
  *t.end() = 1;
  CHECK_FALSE(slack_is_poison(t));
}

// --- the gradient check
// ----------------------------------------------------------------------------------------

namespace {

// y = x^2 elementwise with a backward of the test's choice.
using Square = void (*)(Tensor x, Tape::Target dx, Tensor dy);

std::vector<Comparison> check_square(Square backward) {
  const Graph graph = [backward](Tape& tape, const std::vector<Var>& in) {
    const Var x = in[0];
    const Tensor X = tape.value(x), y = tape.allocate(X.shape);
    for (int64_t i = 0; i < y.count(); ++i) y[i] = X[i] * X[i];
    return tape.record(y, {x}, [=](Tape& tape, Tensor dy) { backward(X, tape.grad_target(x), dy); });
  };
  return check_gradients(graph, {{"x", {4}, {real(0.5), real(-1.25), real(2), real(0.75)}}});
}

// The right gradient, times `factor`.
void add_square_gradient(Tensor x, Tape::Target dx, Tensor dy, real factor) {
  for (int64_t i = 0; i < x.count(); ++i) {
    dx.tensor[i] = (dx.fresh ? 0 : dx.tensor[i]) + factor * 2 * x[i] * dy[i];
  }
}

}  // namespace

TEST_CASE("the gradient check passes a right gradient, for one use and for two") {
  const auto right =
      check_square([](Tensor x, Tape::Target dx, Tensor dy) { add_square_gradient(x, dx, dy, 1); });
  CHECK(right.size() == 2);
  for (const Comparison& c : right) CHECK_COMPARISON(c);
}

TEST_CASE("the gradient check complains about a flipped sign and a missing factor") {
  const auto sign =
      check_square([](Tensor x, Tape::Target dx, Tensor dy) { add_square_gradient(x, dx, dy, -1); });
  const auto half =
      check_square([](Tensor x, Tape::Target dx, Tensor dy) { add_square_gradient(x, dx, dy, 0.5); });
  const auto percent =
      check_square([](Tensor x, Tape::Target dx, Tensor dy) { add_square_gradient(x, dx, dy, 1.01f); });
  for (const auto& broken : {sign, half, percent}) {
    CHECK_FALSE(broken[0].passes());
    CHECK_FALSE(broken[1].passes());
  }
}

TEST_CASE("the gradient check complains about an overwrite instead of an addition") {
  const auto broken = check_square([](Tensor x, Tape::Target dx, Tensor dy) {
    dx.fresh = true;
    add_square_gradient(x, dx, dy, 1);
  });
  CHECK(broken[0].passes());  // a single use cannot tell
  CHECK_FALSE(broken[1].passes());
}

TEST_CASE("the gradient check complains about an addition to memory that was never cleared") {
  const auto broken = check_square([](Tensor x, Tape::Target dx, Tensor dy) {
    dx.fresh = false;
    add_square_gradient(x, dx, dy, 1);
  });
  CHECK_FALSE(broken[0].passes());
}

TEST_CASE("the gradient check complains about NaN, a swapped pair and a number left out") {
  const auto nan = check_square([](Tensor x, Tape::Target dx, Tensor dy) {
    add_square_gradient(x, dx, dy, 1);
    dx.tensor[3] = static_cast<real>(NAN);
  });
  const auto swapped = check_square([](Tensor x, Tape::Target dx, Tensor dy) {
    add_square_gradient(x, dx, dy, 1);
    std::swap(dx.tensor[1], dx.tensor[2]);
  });
  const auto left_out = check_square([](Tensor x, Tape::Target dx, Tensor dy) {
    const real before = dx.fresh ? 0 : dx.tensor[3];
    add_square_gradient(x, dx, dy, 1);
    dx.tensor[3] = before;
  });
  for (const auto& broken : {nan, swapped, left_out}) CHECK_FALSE(broken[0].passes());
}

TEST_CASE("the gradient check looks at every input") {
  const Graph broken = [](Tape& tape, const std::vector<Var>& in) {  // y = a + 3 b, db forgets the 3
    const Tensor A = tape.value(in[0]), B = tape.value(in[1]), y = tape.allocate(A.shape);
    for (int64_t i = 0; i < y.count(); ++i) y[i] = A[i] + 3 * B[i];
    return tape.record(y, {in[0], in[1]}, [a = in[0], b = in[1]](Tape& tape, Tensor dy) {
      for (const Var x : {a, b}) {
        const Tensor dx = tape.grad(x);
        for (int64_t i = 0; i < dy.count(); ++i) dx[i] += dy[i];
      }
    });
  };
  const auto comparisons = check_gradients(broken, {{"a", {2}, {1, 2}}, {"b", {2}, {1, 2}}});
  REQUIRE(comparisons.size() == 4);
  CHECK(comparisons[0].passes());
  CHECK_FALSE(comparisons[1].passes());
}

TEST_CASE("a fixture that is not there is named") {
  CHECK_THROWS_WITH(fixture_path("no_such.json"),
                    "tests/fixtures/no_such.json not found: run the tests from the repository");
}

}  // namespace vmoe::testing
