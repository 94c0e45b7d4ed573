#include "data/split.h"

#include <algorithm>
#include <set>

#include "tests/data/files.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

std::vector<int> labels_of(const std::vector<int>& counts) {
  std::vector<int> labels;
  for (size_t label = 0; label < counts.size(); ++label) {
    labels.insert(labels.end(), static_cast<size_t>(counts[label]), static_cast<int>(label));
  }
  return labels;
}

std::vector<int64_t> held_by_class(const Holdout& split, const std::vector<int>& labels, int classes) {
  std::vector<int64_t> held(static_cast<size_t>(classes));
  for (const int64_t i : split.holdout) ++held[static_cast<size_t>(labels[static_cast<size_t>(i)])];
  return held;
}

}  // namespace

TEST_CASE("the hold-out takes its share of every class, and one of small ones") {
  const std::vector<int> labels = labels_of({100, 20, 14, 3, 2, 1, 0});
  const Holdout split = split_holdout(labels, 7, 0.1);
  CHECK(held_by_class(split, labels, 7) == std::vector<int64_t>{10, 2, 1, 1, 1, 0, 0});
}

TEST_CASE("hold-out and training part are disjoint, sorted and complete") {
  const std::vector<int> labels = labels_of({31, 17, 5});
  const Holdout split = split_holdout(labels, 3, 0.3);
  CHECK(std::is_sorted(split.train.begin(), split.train.end()));
  CHECK(std::is_sorted(split.holdout.begin(), split.holdout.end()));
  std::set<int64_t> all(split.train.begin(), split.train.end());
  all.insert(split.holdout.begin(), split.holdout.end());
  CHECK(all.size() == labels.size());
  CHECK(split.train.size() + split.holdout.size() == labels.size());
}

TEST_CASE("the hold-out never takes all of a class") {
  const std::vector<int> labels = labels_of({2, 2});
  CHECK(split_holdout(labels, 2, 0.99).train.size() == 2);
}

TEST_CASE("hold-out 0 holds out nothing") {
  CHECK(split_holdout(labels_of({5, 5}), 2, 0).holdout.empty());
}

TEST_CASE("the split depends on its seed and on nothing else") {
  const std::vector<int> labels = labels_of({50, 50});
  CHECK(split_holdout(labels, 2, 0.2).holdout == split_holdout(labels, 2, 0.2, 0).holdout);
  CHECK(split_holdout(labels, 2, 0.2, 1).holdout != split_holdout(labels, 2, 0.2, 0).holdout);
}

TEST_CASE("the split is the same in every version: model files refer to it") {
  CHECK(split_holdout(labels_of({10, 10}), 2, 0.2).holdout == std::vector<int64_t>{1, 8, 14, 17});
}

TEST_CASE("a hold-out outside [0, 1) is wrong usage") {
  for (const double fraction : {-0.1, 1.0, 2.0, 0.0 / 0.0}) {
    error_of<UsageError>([&] { split_holdout({0, 1}, 2, fraction); }, "at least 0 and below 1");
  }
}
