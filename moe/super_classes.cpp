#include "moe/super_classes.h"

#include <algorithm>
#include <cmath>

#include "moe/average_linkage.h"
#include "moe/eigen.h"
#include "moe/k_means.h"
#include "tensor/random.h"

namespace vmoe {
namespace {

constexpr int kMaxClasses = 4096;  // time grows with the cube
constexpr double kFloor = 1e-6;    // least confusion of two classes: no class is isolated

void check_arguments(std::span<const double> confusion, size_t classes, int experts) {
  const std::string names = std::to_string(classes) + " classes";
  if (experts < 1) throw UsageError("--experts is " + std::to_string(experts) + "; it must be at least 1");
  if (static_cast<size_t>(experts) > classes) {
    throw UsageError("--experts " + std::to_string(experts) + ": " + names +
                     " cannot be divided into that many super-classes; at most " + std::to_string(classes));
  }
  if (classes > kMaxClasses) {
    throw UsageError("cannot cluster " + names + "; at most " + std::to_string(kMaxClasses));
  }
  const auto bad = [](double count) { return !(count >= 0 && std::isfinite(count)); };
  if (confusion.size() != classes * classes || std::any_of(confusion.begin(), confusion.end(), bad)) {
    throw ShapeError("cluster_classes: the confusion matrix must be [K, K] of finite numbers >= 0 for " +
                     names);
  }
}

/// [K, E]: row a of the eigenvectors of the E smallest eigenvalues, scaled to length 1.
std::vector<double> spectral_embedding(std::span<const double> laplacian, int classes, int experts) {
  const SymmetricEigen eigen = symmetric_eigen(laplacian, classes);
  std::vector<double> points(static_cast<size_t>(classes) * experts);
  for (int a = 0; a < classes; ++a) {
    double* point = points.data() + static_cast<size_t>(a) * experts;
    double squares = 0;
    for (int e = 0; e < experts; ++e) {
      point[e] = eigen.vectors[static_cast<size_t>(e) * classes + a];
      squares += point[e] * point[e];
    }
    const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
    for (int e = 0; e < experts; ++e) point[e] *= scale;
  }
  return points;
}

std::string empty_warning(const std::vector<std::string>& classes, const std::vector<int>& without_images) {
  std::string line = std::to_string(without_images.size()) + " of " + std::to_string(classes.size()) +
                     " classes have no held-out images and count as confused with all classes alike:";
  constexpr size_t kShown = 5;
  for (size_t i = 0; i < std::min(kShown, without_images.size()); ++i) {
    line += (i ? ", '" : " '") + classes[without_images[i]] + "'";
  }
  return line + (without_images.size() > kShown ? ", ..." : "");
}

std::vector<std::string> size_warnings(const SuperClasses& division) {
  std::vector<std::string> lines;
  const std::vector<int> sizes = division.sizes();
  const double limit = 2.0 * division.classes.size() / division.experts;
  for (int e = 0; e < division.experts; ++e) {
    if (sizes[e] <= limit) continue;
    lines.push_back("super-class " + std::to_string(e) + " holds " + std::to_string(sizes[e]) + " of " +
                    std::to_string(division.classes.size()) + " classes, more than twice the average of " +
                    std::to_string(division.experts) + " super-classes: its expert will see most images");
  }
  return lines;
}

}  // namespace

std::vector<int> SuperClasses::sizes() const {
  std::vector<int> result(experts, 0);
  for (const int e : super_class) ++result[e];
  return result;
}

std::vector<double> confusion_graph(std::span<const double> confusion, int classes,
                                    std::vector<int>& without_images) {
  const size_t k = classes;
  std::vector<double> rows(confusion.begin(), confusion.end());
  for (size_t a = 0; a < k; ++a) {
    double* row = rows.data() + a * k;
    double images = 0;
    for (size_t b = 0; b < k; ++b) images += row[b];
    if (images == 0) without_images.push_back(static_cast<int>(a));
    for (size_t b = 0; b < k; ++b) row[b] = images > 0 ? row[b] / images : 1.0 / classes;
  }
  std::vector<double> graph(k * k, 0.0);
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < a; ++b) {
      graph[a * k + b] = graph[b * k + a] = (rows[a * k + b] + rows[b * k + a]) / 2 + kFloor;
    }
  }
  return graph;
}

std::vector<double> normalised_laplacian(std::span<const double> graph, int classes) {
  const size_t k = classes;
  std::vector<double> scale(k);  // d^-1/2
  for (size_t a = 0; a < k; ++a) {
    double degree = 0;
    for (size_t b = 0; b < k; ++b) degree += graph[a * k + b];
    scale[a] = degree > 0 ? 1 / std::sqrt(degree) : 0;  // 0 only for a single class
  }
  std::vector<double> laplacian(k * k);
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < k; ++b) {
      laplacian[a * k + b] = (a == b ? 1 : 0) - graph[a * k + b] * (scale[a] * scale[b]);
    }
  }
  return laplacian;
}

double modularity(std::span<const double> graph, std::span<const int> super_class) {
  const size_t k = super_class.size();
  std::vector<double> degree(k, 0.0);
  double total = 0;
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < k; ++b) degree[a] += graph[a * k + b];
    total += degree[a];
  }
  if (total == 0) return 0;
  double sum = 0;
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < k; ++b) {
      if (super_class[a] == super_class[b]) sum += graph[a * k + b] - degree[a] * degree[b] / total;
    }
  }
  return sum / total;
}

double inside_share(std::span<const double> graph, std::span<const int> super_class) {
  const size_t k = super_class.size();
  double inside = 0, total = 0;
  for (size_t a = 0; a < k; ++a) {
    for (size_t b = 0; b < k; ++b) {
      total += graph[a * k + b];
      if (super_class[a] == super_class[b]) inside += graph[a * k + b];
    }
  }
  return total > 0 ? inside / total : 0;
}

DivisionReport judge_division(std::span<const double> graph, std::span<const int> super_class,
                              uint64_t seed) {
  constexpr int kDivisions = 100;
  DivisionReport report;
  report.modularity = modularity(graph, super_class);
  report.inside_share = inside_share(graph, super_class);
  double squares = 0;
  for (uint32_t i = 0; i < kDivisions; ++i) {
    std::vector<int> random_division(super_class.begin(), super_class.end());
    shuffle(random_division.data(), random_division.size(), Random(seed, Stream::cluster, /*epoch=*/1, i));
    const double share = inside_share(graph, random_division), deviation = share - report.random_mean;
    report.random_mean += deviation / (i + 1);
    squares += deviation * (share - report.random_mean);
  }
  report.random_sd = std::sqrt(squares / (kDivisions - 1));
  return report;
}

const char* name_of(ClusterMethod method) {
  return method == ClusterMethod::spectral ? "spectral" : "agglomerative";
}

Clustering cluster_classes(std::span<const double> confusion, const std::vector<std::string>& classes,
                           int experts, ClusterMethod method, uint64_t seed) {
  check_arguments(confusion, classes.size(), experts);
  const int k = static_cast<int>(classes.size());
  std::vector<int> without_images;
  const std::vector<double> graph = confusion_graph(confusion, k, without_images);
  SuperClasses division{experts, classes, {}, {}, {}};
  if (method == ClusterMethod::agglomerative) {
    division.super_class = average_linkage(graph, k, experts);
  } else {
    const std::vector<double> points = spectral_embedding(normalised_laplacian(graph, k), k, experts);
    division.super_class = k_means(points, k, experts, experts, seed);
  }
  return judged(std::move(division), confusion, seed);
}

Clustering judged(SuperClasses division, std::span<const double> confusion, uint64_t seed) {
  check_arguments(confusion, division.classes.size(), division.experts);
  std::vector<int> without_images;
  const std::vector<double> graph =
      confusion_graph(confusion, static_cast<int>(division.classes.size()), without_images);
  division.report = judge_division(graph, division.super_class, seed);
  std::vector<std::string> warnings = size_warnings(division);
  if (!without_images.empty()) warnings.push_back(empty_warning(division.classes, without_images));
  return {std::move(division), std::move(warnings)};
}

SuperClasses super_classes_from_coarse(const std::vector<std::string>& classes,
                                       const std::vector<int>& coarse_of_class,
                                       const std::vector<std::string>& coarse_names) {
  const int experts = static_cast<int>(coarse_names.size());
  if (coarse_of_class.size() != classes.size() || experts < 1) {
    throw UsageError("this data set has no coarse labels that could be super-classes");
  }
  std::vector<bool> used(experts, false);
  for (size_t a = 0; a < classes.size(); ++a) {
    const int coarse = coarse_of_class[a];
    if (coarse < 0 || coarse >= experts) {
      throw UsageError("class '" + classes[a] + "' has coarse label " + std::to_string(coarse) +
                       "; expected 0 to " + std::to_string(experts - 1));
    }
    used[coarse] = true;
  }
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused != used.end()) {
    throw UsageError("no class belongs to the coarse class '" + coarse_names[unused - used.begin()] +
                     "': it cannot be a super-class");
  }
  return {experts, classes, coarse_of_class, coarse_names, {}};
}

}  // namespace vmoe
