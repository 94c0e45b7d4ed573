#include "moe/super_classes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "moe/eigen.h"
#include "moe/k_means.h"
#include "moe/strict_json.h"
#include "moe/super_classes_json.h"
#include "tests/moe/planted.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

/// Largest defect of A v = lambda v, of orthonormality, of the order, and of the sum of eigenvalues.
double eigen_error(const std::vector<double>& a, int n) {
  const SymmetricEigen eigen = symmetric_eigen(a, n);
  const auto v = [&](int i) { return eigen.vectors.data() + static_cast<size_t>(i) * n; };
  double error = 0, trace = 0;
  const auto note = [&error](double defect) {
    error = std::isnan(defect) ? defect : std::max(error, std::abs(defect));
  };
  for (int i = 0; i < n; ++i) {
    for (int row = 0; row < n; ++row) {
      note(std::inner_product(v(i), v(i) + n, a.data() + static_cast<size_t>(row) * n, 0.0) -
           eigen.values[i] * v(i)[row]);
    }
    for (int j = 0; j <= i; ++j) note(std::inner_product(v(i), v(i) + n, v(j), i == j ? -1.0 : 0.0));
    if (i > 0) note(std::max(0.0, eigen.values[i - 1] - eigen.values[i]));
    trace += a[static_cast<size_t>(i) * n + i] - eigen.values[i];
  }
  note(trace);
  return error;
}

SuperClasses example() {
  return cluster_classes(kConfusion, kFour, 2).super_classes;
}

}  // namespace

TEST_CASE("eigenvalues and eigenvectors of known matrices") {
  const SymmetricEigen two = symmetric_eigen(std::vector<double>{2, 1, 1, 2}, 2);
  CHECK(std::abs(two.values[0] - 1) <= 1e-15);
  CHECK(std::abs(two.values[1] - 3) <= 1e-15);
  CHECK(std::abs(two.vectors[2] - std::sqrt(0.5)) <= 1e-15);
  CHECK(std::abs(two.vectors[3] - std::sqrt(0.5)) <= 1e-15);

  const SymmetricEigen one = symmetric_eigen(std::vector<double>{-7}, 1);
  CHECK(one.values == std::vector<double>{-7});
  CHECK(one.vectors == std::vector<double>{1});

  const int n = 30;  // the second difference: 2 - 2 cos(pi (i + 1) / (n + 1))
  std::vector<double> path(n * n, 0.0);
  for (int i = 0; i < n; ++i) path[i * n + i] = 2;
  for (int i = 0; i + 1 < n; ++i) path[i * n + i + 1] = path[(i + 1) * n + i] = -1;
  const SymmetricEigen eigen = symmetric_eigen(path, n);
  for (int i = 0; i < n; ++i) {
    CHECK(std::abs(eigen.values[i] - (2 - 2 * std::cos(M_PI * (i + 1) / (n + 1)))) <= 1e-14);
  }
}

TEST_CASE("A v = lambda v, orthonormal and in order, for matrices of every kind") {
  for (const int n : {1, 2, 3, 4, 5, 10, 33, 100}) {
    CAPTURE(n);
    const std::vector<double> a = random_symmetric(n, n);
    const double tolerance = 1e-14 * n;  // eigenvalues are below 2 sqrt(n)
    CHECK(eigen_error(a, n) <= tolerance);
    std::vector<double> scaled = a;
    for (double& x : scaled) x *= 1e-200;
    CHECK(eigen_error(scaled, n) <= tolerance);  // orthonormal still
    std::vector<double> rank_one(a.size());
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) rank_one[i * n + j] = a[i] * a[j];
    }
    CHECK(eigen_error(rank_one, n) <= tolerance * n);
    std::vector<double> blocks = a;  // two blocks that do not see each other, and a last row of zeros
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        if ((i < n / 2) != (j < n / 2) || i == n - 1 || j == n - 1) blocks[i * n + j] = 0;
      }
    }
    CHECK(eigen_error(blocks, n) <= tolerance);
    CHECK(eigen_error(std::vector<double>(n * n, 0.0), n) <= 0);
    CHECK(eigen_error(std::vector<double>(n * n, 1.0), n) <= tolerance);
  }
}

TEST_CASE("a matrix that is not symmetric or not finite is refused") {
  CHECK_THROWS_AS(symmetric_eigen(std::vector<double>{1, 2, 3, 4}, 2), ShapeError);
  CHECK_THROWS_AS(symmetric_eigen(std::vector<double>{NAN}, 1), ShapeError);
  CHECK_THROWS_AS(symmetric_eigen(std::vector<double>{1, INFINITY, INFINITY, 1}, 2), ShapeError);
  CHECK_THROWS_AS(symmetric_eigen(std::vector<double>{1, 2, 3}, 2), ShapeError);
  CHECK_THROWS_AS(symmetric_eigen({}, 0), ShapeError);
}

TEST_CASE("k-means finds well separated clouds and numbers them by their first point") {
  Random random(11, Stream::test);
  std::vector<double> points;
  Labels expected;
  for (int i = 0; i < 60; ++i) {
    const int cloud = i < 3 ? i : static_cast<int>(random.below(3));
    expected.push_back(cloud);
    points.push_back(10 * (cloud == 1) + random.normal());
    points.push_back(10 * (cloud == 2) + random.normal());
  }
  for (const uint64_t seed : {0, 1, 2}) CHECK(k_means(points, 60, 2, 3, seed) == expected);
}

TEST_CASE("k-means finds twelve clouds from every seed: of its restarts the best counts") {
  Random random(12, Stream::test);
  std::vector<double> points;
  Labels expected;
  for (int i = 0; i < 120; ++i) {
    expected.push_back(i % 12);
    points.push_back(10 * (i % 4) + random.normal());
    points.push_back(10 * (i % 3) + random.normal());
  }
  // A single start misses a cloud from some of them.
  for (uint64_t seed = 0; seed < 20; ++seed) CHECK(k_means(points, 120, 2, 12, seed) == expected);
}

TEST_CASE("k-means leaves no cluster empty, even of points that coincide") {
  for (int k = 1; k <= 6; ++k) {
    CAPTURE(k);
    for (const int different : {1, 2, 6}) {
      std::vector<double> points;
      for (int i = 0; i < 6; ++i) points.push_back(i % different);
      const Labels labels = k_means(points, 6, 1, k, 0);
      for (int c = 0; c < k; ++c) CHECK(std::count(labels.begin(), labels.end(), c) >= 1);
      CHECK(*std::max_element(labels.begin(), labels.end()) == k - 1);
    }
  }
  CHECK_THROWS_AS(k_means(std::vector<double>{1, 2}, 2, 1, 3, 0), ShapeError);
}

TEST_CASE("the worked example: confusion graph, eigenvalues, clusters and modularity") {
  const std::vector<double> graph = graph_of(kConfusion, 4);
  const std::vector<double> without_floor = {0,   .125, .02, .03,  .125, 0,   .02,  .02,
                                             .02, .02,  0,   .175, .03,  .02, .175, 0};
  for (int i = 0; i < 16; ++i) CHECK(std::abs(graph[i] - without_floor[i] - (i % 5 ? 1e-6 : 0)) <= 1e-15);

  const SymmetricEigen eigen = symmetric_eigen(normalised_laplacian(without_floor, 4), 4);
  const double values[] = {0, .468054, 1.726717, 1.805229};
  for (int i = 0; i < 4; ++i) CHECK(std::abs(eigen.values[i] - values[i]) <= 1e-6);
  const double* second = eigen.vectors.data() + 4;
  CHECK(second[0] * second[1] > 0);
  CHECK(second[2] * second[3] > 0);
  CHECK(second[0] * second[2] < 0);

  const Clustering clustering = cluster_classes(kConfusion, kFour, 2);
  const SuperClasses& division = clustering.super_classes;
  CHECK(clustering.warnings.empty());
  CHECK(division.super_class == Labels{0, 0, 1, 1});
  CHECK(division.sizes() == Labels{2, 2});
  REQUIRE(division.report);
  CHECK(std::abs(division.report->modularity - .2610125) <= 1e-5);
  CHECK(std::abs(modularity(without_floor, Labels{0, 0, 1, 1}) - .2610125) <= 1e-7);
  CHECK(std::abs(modularity(without_floor, Labels{0, 0, 0, 0})) <= 1e-12);
  CHECK(std::abs(modularity(without_floor, Labels{0, 1, 2, 3}) - -.2542735) <= 1e-7);
  CHECK(std::abs(division.report->inside_share - .3 / .39) <= 1e-5);
}

TEST_CASE("the worked example's division has the largest modularity of all") {
  const std::vector<double> graph = graph_of(kConfusion, 4);
  const double best = modularity(graph, Labels{0, 0, 1, 1});
  for (int code = 0; code < 256; ++code) {
    const Labels labels = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
    CHECK(modularity(graph, labels) <= best + 1e-15);
  }
}

TEST_CASE("the share inside random divisions is near what combinatorics says") {
  // Of the 3 ways to pair 4 classes, each puts 2 of 6 edges inside.
  const DivisionReport report = judge_division(graph_of(kConfusion, 4), Labels{0, 0, 1, 1}, 0);
  CHECK(std::abs(report.random_mean - 1.0 / 3) <= 0.1);  // 100 draws, deviation below 0.31: 3 standard errors
  CHECK(report.random_sd > 0.2);
  CHECK(report.random_sd < 0.4);
  CHECK(report.inside_share > report.random_mean + report.random_sd);
  CHECK(judge_division(graph_of(kConfusion, 4), Labels{0, 0, 0, 0}, 0).random_sd <= 1e-12);
}

TEST_CASE("planted groups of classes are found, whatever their sizes") {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const int classes = 20 + 10 * static_cast<int>(seed % 4), groups = 2 + static_cast<int>(seed % 5);
    CAPTURE(seed);
    const Labels planted = random_groups(classes, groups, 3, seed);
    const Clustering clustering =
        cluster_classes(planted_confusion(planted, 20, seed), class_names(classes), groups);
    CHECK(clustering.super_classes.super_class == planted);
    const DivisionReport& report = *clustering.super_classes.report;
    CHECK(report.modularity > 0);
    CHECK(report.inside_share > report.random_mean + 3 * report.random_sd);
  }
}

TEST_CASE("classes that are rarely confused find their group as well as those that often are") {
  const int classes = 30;
  const Labels planted = random_groups(classes, 3, 6, 7);
  std::vector<double> confusion(classes * classes);
  for (int a = 0; a < classes; ++a) {
    const auto often = [](int c) { return c % 3 == 0 ? 20.0 : 1.0; };
    double errors = 0;
    for (int b = 0; b < classes; ++b) {
      const double rate = planted[a] == planted[b] ? 3 : 0.3;
      if (a != b) errors += confusion[a * classes + b] = rate * often(a) * often(b);
    }
    confusion[a * classes + a] = 1e5 - errors;
  }
  CHECK(cluster_classes(confusion, class_names(classes), 3).super_classes.super_class == planted);
}

TEST_CASE("soft confusions (sums of probabilities) divide like counts, and row sums do not matter") {
  std::vector<double> soft = kConfusion;
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 4; ++b) soft[a * 4 + b] *= 0.37 * (a + 1);
  }
  CHECK(cluster_classes(soft, kFour, 2).super_classes.super_class == Labels{0, 0, 1, 1});
  const std::vector<double> graph = graph_of(kConfusion, 4), scaled = graph_of(soft, 4);
  for (int i = 0; i < 16; ++i) CHECK(std::abs(graph[i] - scaled[i]) <= 1e-15);
}

TEST_CASE("there are always exactly E super-classes, whatever the confusion") {
  for (int classes = 1; classes <= 9; ++classes) {
    std::vector<std::vector<double>> confusions(4, std::vector<double>(classes * classes, 0.0));
    for (int a = 0; a < classes; ++a) {
      confusions[1][a * classes + a] = 50;          // a baseline without errors
      confusions[2][a * classes] = 50;              // one that knows a single class
      confusions[3][a * classes + a / 2 * 2] = 50;  // pairs of classes that look alike
    }
    for (const std::vector<double>& confusion : confusions) {
      for (int experts = 1; experts <= classes; ++experts) {
        CAPTURE(classes);
        CAPTURE(experts);
        const SuperClasses division = cluster_classes(confusion, class_names(classes), experts).super_classes;
        check_division(division, classes, experts);
        CHECK(std::isfinite(division.report->modularity));
        CHECK(division.report->inside_share >= 0);
        CHECK(division.report->inside_share <= 1 + 1e-12);
      }
    }
  }
}

TEST_CASE("a clustering is a function of confusion and seed") {
  const std::vector<double> confusion = planted_confusion(random_groups(40, 6, 2, 3), 1.5, 3);
  const auto divide = [&] {
    return cluster_classes(confusion, class_names(40), 6, ClusterMethod::spectral, 5).super_classes;
  };
  const SuperClasses first = divide();
  CHECK(divide() == first);
  check_division(first, 40, 6);
}

TEST_CASE("a super-class of more than twice the average size brings a warning") {
  Labels planted(30, 0);  // sizes 24, 2, 2, 2: the average of 4 is 7.5
  for (int i = 24; i < 30; ++i) planted[i] = 1 + (i - 24) / 2;
  const Clustering clustering = cluster_classes(planted_confusion(planted, 40, 1), class_names(30), 4);
  CHECK(clustering.super_classes.super_class == planted);
  REQUIRE(clustering.warnings.size() == 1);
  CHECK(clustering.warnings[0].find("super-class 0 holds 24 of 30 classes") == 0);
}

TEST_CASE("a super-class of exactly twice the average size brings none") {
  const Labels planted = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2};  // sizes 8, 2, 2: the average is 4
  const Clustering clustering = cluster_classes(planted_confusion(planted, 40, 1), class_names(12), 3);
  CHECK(clustering.super_classes.super_class == planted);
  CHECK(clustering.warnings.empty());
}

TEST_CASE("a class without held-out images counts as confused with all, and brings a warning") {
  std::vector<double> confusion = kConfusion;
  for (int b = 0; b < 4; ++b) confusion[12 + b] = 0;
  std::vector<int> without_images;
  const std::vector<double> graph = confusion_graph(confusion, 4, without_images);
  CHECK(without_images == std::vector<int>{3});
  CHECK(std::abs(graph[3] - (0.25 + 0.02) / 2) <= 1e-5);
  const Clustering clustering = cluster_classes(confusion, kFour, 2);
  REQUIRE(clustering.warnings.size() == 1);
  CHECK(clustering.warnings[0].find("1 of 4 classes have no held-out images") == 0);
  CHECK(clustering.warnings[0].find("'truck'") != std::string::npos);
}

TEST_CASE("impossible numbers of experts are usage errors, impossible confusions ours") {
  CHECK_THROWS_WITH_AS(cluster_classes(kConfusion, kFour, 0), doctest::Contains("at least 1"), UsageError);
  CHECK_THROWS_AS(cluster_classes(kConfusion, kFour, -3), UsageError);
  CHECK_THROWS_WITH_AS(cluster_classes(kConfusion, kFour, 5), doctest::Contains("--experts 5: 4 classes"),
                       UsageError);
  std::vector<double> bad = kConfusion;
  bad[3] = -1;
  CHECK_THROWS_AS(cluster_classes(bad, kFour, 2), ShapeError);
  bad[3] = NAN;
  CHECK_THROWS_AS(cluster_classes(bad, kFour, 2), ShapeError);
  CHECK_THROWS_AS(cluster_classes(kConfusion, class_names(3), 2), ShapeError);
}

TEST_CASE("coarse labels are super-classes when each of them is used") {
  const SuperClasses division = super_classes_from_coarse(kFour, {1, 1, 0, 0}, {"vehicle", "animal"});
  CHECK(division.experts == 2);
  CHECK(division.super_class == Labels{1, 1, 0, 0});
  CHECK(division.names[1] == "animal");
  CHECK_FALSE(division.report);
  CHECK_THROWS_WITH_AS(super_classes_from_coarse(kFour, {0, 0, 0, 0}, {"a", "b"}), doctest::Contains("'b'"),
                       UsageError);
  CHECK_THROWS_AS(super_classes_from_coarse(kFour, {0, 0, 1, 2}, {"a", "b"}), UsageError);
  CHECK_THROWS_AS(super_classes_from_coarse(kFour, {}, {}), UsageError);
}

TEST_CASE("a division written as JSON comes back equal") {
  const SuperClasses clustered = example();
  CHECK(super_classes_from_json(super_classes_to_json(clustered), "f") == clustered);
  const SuperClasses coarse = super_classes_from_coarse(kFour, {1, 1, 0, 0}, {"vehicle", "animal"});
  CHECK(super_classes_from_json(super_classes_to_json(coarse), "f") == coarse);
  const std::string by_hand = R"({"schema":1,"experts":2,"classes":["a","b","c"],"super_class":[1,0,1]})";
  CHECK(super_classes_from_json(by_hand, "f").super_class == Labels{1, 0, 1});
}

TEST_CASE("a broken file of super-classes is an InputError that names the file and the defect") {
  struct Defect {
    std::function<void(nlohmann::json&)> break_it;
    const char* message;
  };
  const Defect defects[] = {
      {[](auto& j) { j["schema"] = 2; }, "'schema' is '2'"},
      {[](auto& j) { j.erase("schema"); }, "'schema' is missing"},
      {[](auto& j) { j.erase("experts"); }, "'experts' is missing"},
      {[](auto& j) { j.erase("classes"); }, "'classes' is missing"},
      {[](auto& j) { j.erase("super_class"); }, "'super_class' is missing"},
      {[](auto& j) { j["experts"] = 0; }, "'experts' is '0'"},
      {[](auto& j) { j["experts"] = 5; }, "whole number from 1 to 4"},
      {[](auto& j) { j["experts"] = 2.0; }, "'experts' is '2.0'"},
      {[](auto& j) { j["experts"] = ~uint64_t{0}; }, "'experts' is '18446744073709551615'"},
      {[](auto& j) { j["experts"] = "2"; }, "'experts' is"},
      {[](auto& j) { j["experts"] = 3; }, "super-class 2 has no class"},
      {[](auto& j) {
         j["super_class"] = {0, 0, 0, 0};
       },
       "super-class 1 has no class"},
      {[](auto& j) {
         j["super_class"] = {1, 1, 1, 1};
       },
       "super-class 0 has no class"},
      {[](auto& j) {
         j["super_class"] = {0, 0, 2, 2};
       },
       "the super-class of 'car' is '2'"},
      {[](auto& j) {
         j["super_class"] = {0, -1, 1, 1};
       },
       "the super-class of 'dog' is '-1'"},
      {[](auto& j) {
         j["super_class"] = {0, 0, 1};
       },
       "a list of 4 labels, one a class; it has 3"},
      {[](auto& j) {
         j["super_class"] = {0, 0, 1, 1, 1};
       },
       "it has 5"},
      {[](auto& j) { j["super_class"] = 7; }, "a list of 4 labels"},
      {[](auto& j) { j["super_class"][0] = nullptr; }, "the super-class of 'cat' is 'null'"},
      {[](auto& j) { j["classes"] = "cat"; }, "'classes' must be a list of texts"},
      {[](auto& j) { j["classes"][2] = 3; }, "'classes' must be a list of texts"},
      {[](auto& j) { j["classes"] = nlohmann::json::array(); }, "'classes' must have 1 to 65536"},
      {[](auto& j) { j["classes"][2] = "cat"; }, "class 'cat' appears twice"},
      {[](auto& j) { j["names"] = {"one"}; }, "'names' must have one name for each of the 2"},
      {[](auto& j) {
         j["sizes"] = {1, 3};
       },
       "'sizes' disagree"},
      {[](auto& j) { j["modularity"] = "high"; }, "'modularity' must be a number"},
      {[](auto& j) { j.erase("inside_share"); }, "'inside_share' is missing"},
      {[](auto& j) { j["random_inside_share"] = 1; }, "'random_inside_share' must be an object"},
      {[](auto& j) { j["random_inside_share"].erase("sd"); }, "'sd' is missing"},
      {[](auto& j) { j = nlohmann::json::array({1}); }, "must hold one JSON object"},
  };
  const nlohmann::json good = nlohmann::json::parse(super_classes_to_json(example()));
  for (const Defect& defect : defects) {
    CAPTURE(defect.message);
    nlohmann::json broken = good;
    defect.break_it(broken);
    std::string message;
    try {
      super_classes_from_json(broken.dump(), "division.json");
    } catch (const InputError& error) {
      message = error.what();
    }
    CAPTURE(message);
    CHECK(message.find(defect.message) != std::string::npos);
    CHECK(message.find("'division.json'") != std::string::npos);
  }
}

TEST_CASE("every shortened file of super-classes is refused") {
  const std::string text = super_classes_to_json(example());
  for (size_t length = 0; length + 2 < text.size(); ++length) {
    CHECK_THROWS_AS(super_classes_from_json(text.substr(0, length), "f"), InputError);
  }
}

TEST_CASE("JSON from elsewhere: repeated keys, deep nesting, huge numbers and garbage are refused") {
  CHECK(parse_json(R"({"a":{"x":1},"b":{"x":2}})", "f")["b"]["x"] == 2);
  CHECK_THROWS_WITH_AS(parse_json(R"({"a":1,"b":2,"a":3})", "f"),
                       doctest::Contains("f: the key 'a' appears twice"), InputError);
  CHECK_THROWS_WITH_AS(parse_json(R"({"o":[{"a":1,"\u0061":3}]})", "f"),
                       doctest::Contains("'a' appears twice"), InputError);
  CHECK_THROWS_WITH_AS(parse_json(std::string(1'000'000, '['), "f"), doctest::Contains("nested more than 16"),
                       InputError);
  CHECK_THROWS_WITH_AS(parse_json("\"" + std::string(4 << 20, 'x') + "\"", "f"),
                       doctest::Contains("more than 4 MiB"), InputError);
  std::string wide = "{";
  for (int i = 0; i <= 1024; ++i) wide += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  CHECK_THROWS_WITH_AS(parse_json(wide + "}", "f"), doctest::Contains("more than 1024 keys"), InputError);
  CHECK_THROWS_AS(parse_json("[1e999]", "f"), InputError);
  CHECK_THROWS_AS(parse_json("", "f"), InputError);
  CHECK_THROWS_AS(parse_json("{} {}", "f"), InputError);
  CHECK_THROWS_AS(parse_json("{\"\xff\":1}", "f"), InputError);
  CHECK_THROWS_WITH_AS(parse_json("[1,]", "f"), doctest::Contains("at byte 4"), InputError);
}

TEST_CASE("a division must be of the data set's classes and have the wanted number of experts") {
  const SuperClasses division = example();
  require_division_of(division, "f", kFour, 2);
  require_division_of(division, "f", kFour, 0);
  CHECK_THROWS_WITH_AS(require_division_of(division, "f", kFour, 3), doctest::Contains("give --experts 2"),
                       UsageError);
  CHECK_THROWS_WITH_AS(require_division_of(division, "f", class_names(5), 2),
                       doctest::Contains("divides 4 classes, the data set has 5"), InputError);
  CHECK_THROWS_WITH_AS(require_division_of(division, "f", {"cat", "dog", "truck", "car"}, 2),
                       doctest::Contains("class 2 is 'car', in the data set it is 'truck'"), InputError);
}

TEST_CASE("class names that are not UTF-8 survive the way through a file") {
  const std::vector<std::string> names = {"a\xff", "b", "c", "d"};
  const SuperClasses division = cluster_classes(kConfusion, names, 2).super_classes;
  const SuperClasses read = super_classes_from_json(super_classes_to_json(division), "f");
  require_division_of(read, "f", names, 2);
  CHECK(read.classes[0] == "a\xEF\xBF\xBD");
}
