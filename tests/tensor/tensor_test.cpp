#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace vmoe;

TEST_CASE("a shape knows its rank, its sizes from both ends, its count and its rows") {
  const Shape shape = {2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 4);
  CHECK(shape[-3] == 2);
  CHECK(shape.count() == 24);
  CHECK(shape.rows() == 6);
  CHECK(to_string(shape) == "[2, 3, 4]");
}

TEST_CASE("the shape of a scalar has no dimensions and one number") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.count() == 1);
  CHECK(to_string(Shape{}) == "[]");
}

TEST_CASE("a dimension may be 0, not negative; there are at most four") {
  CHECK(Shape{3, 0, 2}.count() == 0);
  CHECK_THROWS_AS((Shape{2, -1}), ShapeError);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1}), ShapeError);
}

TEST_CASE("shapes are equal if rank and all sizes are") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{3, 2});
  CHECK(Shape{6} != Shape{6, 1});
  CHECK(Shape{} != Shape{1});
}

TEST_CASE("require_shape names the place and both shapes") {
  CHECK_NOTHROW(require_shape("here", {2, 3}, {2, 3}));
  CHECK_THROWS_WITH_AS(require_shape("linear: bias", {4}, {3}), "linear: bias: got shape [4], expected [3]",
                       ShapeError);
}

TEST_CASE("reshaping and rows are views on the same numbers") {
  std::vector<real> numbers(24);
  std::iota(numbers.begin(), numbers.end(), real{0});
  const Tensor t{numbers.data(), {2, 3, 4}};
  CHECK(t.reshape({6, 4}).data == numbers.data());
  CHECK(to_string(t.reshape({4, 3, 2, 1}).shape) == "[4, 3, 2, 1]");
  CHECK_THROWS_AS(t.reshape({5, 5}), ShapeError);
  const Tensor second = t.row(1);
  CHECK(to_string(second.shape) == "[3, 4]");
  CHECK(second[0] == 12);
  CHECK(second.row(2).row(3)[0] == 23);
  CHECK(to_string(second.row(2).row(3).shape) == "[]");
  second[0] = -1;
  CHECK(numbers[12] == -1);
  CHECK(to_string(t.reshape({2, 3, 2, 2}).row(1).shape) == "[3, 2, 2]");
}

TEST_CASE("a view visits all its numbers") {
  std::vector<real> numbers = {1, 2, 3, 4};
  const Tensor t{numbers.data(), {2, 2}};
  CHECK(std::accumulate(t.begin(), t.end(), 0.0) == 10);
  CHECK(t.dim(1) == 2);
}
