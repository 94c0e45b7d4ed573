#pragma once
// Confusions whose right division is known, for the tests of super-classes.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "moe/super_classes.h"
#include "tensor/random.h"

namespace vmoe::testing {

using Labels = std::vector<int>;

// Worked by hand: two pairs of classes that are confused within the pair.
inline const std::vector<double> kConfusion = {80, 15, 3, 2, 10, 85, 2, 3, 1, 2, 77, 20, 4, 1, 15, 80};
inline const std::vector<std::string> kFour = {"cat", "dog", "car", "truck"};

inline std::vector<std::string> class_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("class" + std::to_string(i));
  return names;
}

inline std::vector<double> graph_of(const std::vector<double>& confusion, int classes) {
  std::vector<int> without_images;
  return confusion_graph(confusion, classes, without_images);
}

/// A symmetric matrix of normal numbers.
inline std::vector<double> random_symmetric(int n, uint64_t seed) {
  Random random(seed, Stream::test);
  std::vector<double> a(static_cast<size_t>(n) * n);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = random.normal();
  }
  return a;
}

/// A baseline that confuses classes of the same planted group `within` times as often as others.
inline std::vector<double> planted_confusion(const Labels& group, double within, uint64_t seed) {
  Random random(seed, Stream::test);
  const size_t k = group.size();
  std::vector<double> confusion(k * k);
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < k; ++b) {
      if (a == b) {
        confusion[a * k + b] = 300;
        continue;
      }
      const double rate = (group[a] == group[b] ? within : 1) * random.uniform(0.5, 1.5);
      confusion[a * k + b] = std::floor(rate + random.uniform());
    }
  }
  return confusion;
}

/// Groups of random sizes of at least `smallest`, classes in random order, numbered by their smallest class.
inline Labels random_groups(int classes, int groups, int smallest, uint64_t seed) {
  Random random(seed, Stream::test);
  Labels labels;
  for (int i = 0; i < classes; ++i) {
    labels.push_back(i < groups * smallest ? i % groups : static_cast<int>(random.below(groups)));
  }
  shuffle(labels.data(), labels.size(), random);
  Labels number(groups, -1);
  int next = 0;
  for (int& label : labels) {
    if (number[label] < 0) number[label] = next++;
    label = number[label];
  }
  return labels;
}

inline void check_division(const SuperClasses& division, int classes, int experts) {
  REQUIRE(division.super_class.size() == static_cast<size_t>(classes));
  CHECK(division.experts == experts);
  const Labels sizes = division.sizes();
  CHECK(*std::min_element(sizes.begin(), sizes.end()) >= 1);
  int seen = 0;  // numbered in the order of their smallest class
  for (const int e : division.super_class) {
    CHECK(e <= seen);
    if (e == seen) ++seen;
  }
  CHECK(seen == experts);
}

}  // namespace vmoe::testing
