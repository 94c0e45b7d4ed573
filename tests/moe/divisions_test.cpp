// Divisions other than the spectral one: agglomerative, capped, random, given.

#include "moe/average_linkage.h"
#include "tests/moe/planted.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

/// Average linkage as it is defined, with every mean computed anew.
Labels plain_average_linkage(const std::vector<double>& graph, int n, int k) {
  std::vector<Labels> clusters;
  for (int i = 0; i < n; ++i) clusters.push_back({i});
  const auto mean = [&](const Labels& a, const Labels& b) {
    double sum = 0;
    for (const int i : a) {
      for (const int j : b) sum += graph[i * n + j];
    }
    return sum / static_cast<double>(a.size() * b.size());
  };
  while (static_cast<int>(clusters.size()) > k) {
    size_t first = 0, second = 1;
    for (size_t a = 0; a < clusters.size(); ++a) {
      for (size_t b = a + 1; b < clusters.size(); ++b) {
        if (mean(clusters[a], clusters[b]) > mean(clusters[first], clusters[second])) first = a, second = b;
      }
    }
    clusters[first].insert(clusters[first].end(), clusters[second].begin(), clusters[second].end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(second));
  }
  Labels labels(n);
  for (size_t c = 0; c < clusters.size(); ++c) {
    for (const int i : clusters[c]) labels[i] = static_cast<int>(c);
  }
  return labels;
}

}  // namespace

TEST_CASE("average linkage merges by the mean, neither by the largest weight nor by the least") {
  // 0 and 1 first. Then 2 has mean 0.45 to them (largest 0.8, least 0.1), and `rest` to 3.
  const auto graph = [](double rest) {
    return std::vector<double>{9, .9, .1, 0, .9, 9, .8, 0, .1, .8, 9, rest, 0, 0, rest, 9};
  };
  CHECK(average_linkage(graph(0.5), 4, 2) == Labels{0, 0, 1, 1});
  CHECK(average_linkage(graph(0.4), 4, 2) == Labels{0, 0, 0, 1});
  CHECK(average_linkage(graph(0.4), 4, 4) == Labels{0, 1, 2, 3});
  CHECK(average_linkage(graph(0.4), 4, 1) == Labels{0, 0, 0, 0});
  CHECK_THROWS_AS(average_linkage(graph(0.4), 4, 5), ShapeError);
  CHECK_THROWS_AS(average_linkage(graph(0.4), 3, 2), ShapeError);
}

TEST_CASE("average linkage is what its definition gives, on random graphs and with ties") {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    const int n = 14;
    std::vector<double> graph = random_symmetric(n, seed);
    if (seed % 2 == 1) {
      for (double& weight : graph) weight = weight > 0 ? 1 : 0;
    }
    for (int k = 1; k <= n; ++k) {
      CAPTURE(seed);
      CAPTURE(k);
      CHECK(average_linkage(graph, n, k) == plain_average_linkage(graph, n, k));
    }
  }
}

TEST_CASE(
    "average linkage names clusters rightly where rounding makes a mean larger than both of its parts") {
  // The mean of 0 to {2, 3, 4}, (0.2 + 0 + 0.1) / 3, rounds to more than 0.1, and 2 is then the nearer one.
  const std::vector<double> graph = {0,  .1, .2, 0, .1, .1, 0,  0,  0, 0,  .2, 0, 0,
                                     .3, .3, 0,  0, .3, 0,  .3, .1, 0, .3, .3, 0};
  CHECK(average_linkage(graph, 5, 2) == Labels{0, 1, 0, 0, 0});
}

TEST_CASE("agglomerative clustering finds planted groups of classes, too, and has exactly E super-classes") {
  const Labels planted = random_groups(40, 5, 4, 2);
  const std::vector<double> confusion = planted_confusion(planted, 20, 2);
  const auto divide = [&](int experts) {
    return cluster_classes(confusion, class_names(40), experts, ClusterMethod::agglomerative).super_classes;
  };
  CHECK(divide(5).super_class == planted);
  CHECK(divide(5).report->inside_share > 0.5);
  for (int experts = 1; experts <= 40; ++experts) check_division(divide(experts), 40, experts);
}

TEST_CASE("classes leave a super-class that is too large, those first that lose least") {
  const std::vector<double> graph = graph_of(kConfusion, 4);
  // 2 shares 0.04 with 0 and 1, and 0.175 with 3; the others lose by moving.
  const SuperClasses three_and_one{2, kFour, {0, 0, 0, 1}, {}, {}};
  CHECK(cap_sizes(three_and_one, graph, 2).super_class == Labels{0, 0, 1, 1});
  CHECK(cap_sizes(three_and_one, graph, 3) == three_and_one);
  // All in one but class 1, which takes class 0.
  CHECK(cap_sizes({2, kFour, {0, 1, 0, 0}, {}, {}}, graph, 2).super_class == Labels{0, 0, 1, 1});
  // Names stay with their super-class, others are numbered by their smallest class.
  const SuperClasses named{2, kFour, {1, 1, 1, 0}, {"vehicle", "animal"}, {}};
  CHECK(cap_sizes(named, graph, 2).super_class == Labels{1, 1, 0, 0});
  CHECK(cap_sizes(named, graph, 2).names == named.names);
  CHECK_THROWS_WITH_AS(cap_sizes(three_and_one, graph, 1), doctest::Contains("at least 2"), UsageError);
  CHECK_THROWS_WITH_AS(cap_sizes(three_and_one, graph, 0), doctest::Contains("--max-size 0"), UsageError);
  CHECK_THROWS_AS(cap_sizes(three_and_one, graph_of(planted_confusion({0, 0, 1}, 2, 1), 3), 2), ShapeError);
}

TEST_CASE("capping is what its definition gives: each move is the one that loses least inside confusion") {
  const auto inside = [](const std::vector<double>& graph, const Labels& labels) {
    double sum = 0;
    const size_t k = labels.size();
    for (size_t a = 0; a < k; ++a) {
      for (size_t b = 0; b < a; ++b) sum += labels[a] == labels[b] ? graph[a * k + b] : 0;
    }
    return sum;
  };
  for (uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    std::vector<double> graph = random_symmetric(20, seed);
    for (int a = 0; a < 20; ++a) graph[a * 20 + a] = 0;  // as confusion_graph has it
    SuperClasses division{4, class_names(20), Labels(20, 0), {"a", "b", "c", "d"}, {}};
    for (int e = 0; e < 4; ++e) division.super_class[static_cast<size_t>(5 * e)] = e;
    Labels want = division.super_class;
    const auto size = [&](int e) { return std::count(want.begin(), want.end(), e); };
    while (size(0) > 6) {
      Labels best;
      for (int a = 0; a < 20; ++a) {
        for (int e = 1; e < 4; ++e) {
          if (want[a] != 0 || size(e) >= 6) continue;
          Labels moved = want;
          moved[a] = e;
          if (best.empty() || inside(graph, moved) > inside(graph, best)) best = moved;
        }
      }
      want = best;
    }
    CHECK(cap_sizes(division, graph, 6).super_class == want);
  }
}

TEST_CASE("capped super-classes are never empty and never too large, and keep more confusion than chance") {
  const Labels planted = random_groups(30, 6, 2, 4);
  const std::vector<double> confusion = planted_confusion(planted, 8, 4), graph = graph_of(confusion, 30);
  for (const auto method : {ClusterMethod::spectral, ClusterMethod::agglomerative}) {
    for (int experts = 1; experts <= 30; ++experts) {
      const SuperClasses division =
          cluster_classes(confusion, class_names(30), experts, method).super_classes;
      const Labels sizes = division.sizes();
      const int largest = *std::max_element(sizes.begin(), sizes.end());
      for (int most = (30 + experts - 1) / experts; most <= 30; ++most) {
        CAPTURE(experts);
        CAPTURE(most);
        const SuperClasses capped = cap_sizes(division, graph, most);
        check_division(capped, 30, experts);
        const Labels capped_sizes = capped.sizes();
        CHECK(*std::max_element(capped_sizes.begin(), capped_sizes.end()) <= most);
        if (largest <= most) CHECK(capped.super_class == division.super_class);
        if (experts == 6) {
          const DivisionReport report = *judged(capped, confusion).super_classes.report;
          CHECK(report.inside_share > report.random_mean + 3 * report.random_sd);
        }
      }
    }
  }
}

TEST_CASE("a random division has the same sizes, and is another for every seed") {
  const SuperClasses division{3, class_names(12), {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2}, {"a", "b", "c"}, {}};
  const SuperClasses random = random_division(division, 1);
  check_division(random, 12, 3);
  Labels sizes = random.sizes();
  std::sort(sizes.begin(), sizes.end());
  CHECK(sizes == Labels{2, 3, 7});
  CHECK(random.names.empty());
  CHECK(random == random_division(division, 1));
  CHECK(random.super_class != random_division(division, 2).super_class);
  CHECK(random.super_class != division.super_class);
}

TEST_CASE("a division of somebody else is judged like a clustering") {
  const Clustering clustering = cluster_classes(kConfusion, kFour, 2);
  const Clustering given = judged({2, kFour, clustering.super_classes.super_class, {}, {}}, kConfusion);
  CHECK(given.super_classes == clustering.super_classes);
  Labels large(24, 0);
  large[21] = 1, large[22] = 2, large[23] = 3;
  CHECK(judged({4, class_names(24), large, {}, {}}, planted_confusion(large, 2, 1)).warnings.size() == 1);
  CHECK_THROWS_AS(judged({2, kFour, {0, 0, 1, 1}, {}, {}}, {}), ShapeError);
}
