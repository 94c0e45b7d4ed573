#include "moe/average_linkage.h"

#include <algorithm>

#include "tensor/error.h"

namespace vmoe {
namespace {

/// Clusters that become fewer. A cluster is called by its smallest node.
class Linkage {
 public:
  Linkage(std::span<const double> graph, int n)
      : n_(n), sums_(graph.begin(), graph.end()), sizes_(n, 1), parents_(n), nearest_(n, -1) {
    for (int i = 0; i < n; ++i) parents_[i] = i;
    for (int i = 0; i < n; ++i) find_nearest(i);
  }

  void merge_nearest_two() {
    int i = -1;
    for (int c = 0; c < n_; ++c) {
      if (alive(c) && (i < 0 || mean(c, nearest_[c]) > mean(i, nearest_[i]))) i = c;
    }
    merge(std::min(i, nearest_[i]), std::max(i, nearest_[i]));
  }

  std::vector<int> labels() const {
    std::vector<int> labels(n_);
    int clusters = 0;
    for (int i = 0; i < n_; ++i) labels[i] = alive(i) ? clusters++ : labels[parents_[i]];
    return labels;
  }

 private:
  bool alive(int i) const { return parents_[i] == i; }
  double& sum(int i, int j) { return sums_[static_cast<size_t>(i) * n_ + j]; }
  double mean(int i, int j) const {
    return sums_[static_cast<size_t>(i) * n_ + j] / (static_cast<double>(sizes_[i]) * sizes_[j]);
  }

  void find_nearest(int i) {
    nearest_[i] = -1;
    for (int j = 0; j < n_; ++j) {
      if (j != i && alive(j) && (nearest_[i] < 0 || mean(i, j) > mean(i, nearest_[i]))) nearest_[i] = j;
    }
  }

  // Into i, the smaller of the two.
  void merge(int i, int j) {
    for (int c = 0; c < n_; ++c) sum(i, c) = sum(c, i) = sum(i, c) + sum(j, c);
    sizes_[i] += sizes_[j];
    parents_[j] = i;
    for (int c = 0; c < n_; ++c) {
      // Nobody comes nearer (but for rounding): a mean over both is at most that to the nearer one.
      if (alive(c) && (c == i || nearest_[c] == i || nearest_[c] == j)) find_nearest(c);
    }
  }

  int n_;
  std::vector<double> sums_;  // [n, n] of the weights between two clusters
  std::vector<int> sizes_;
  std::vector<int> parents_;  // the cluster that a node's cluster was merged into; itself while it is alive
  std::vector<int> nearest_;  // of each cluster; -1 for the last one
};

}  // namespace

std::vector<int> average_linkage(std::span<const double> graph, int n, int k) {
  if (k < 1 || k > n || graph.size() != static_cast<size_t>(n) * n)
    throw ShapeError("average_linkage: needs 1 <= k <= n and a graph [n, n]");
  Linkage linkage(graph, n);
  for (int clusters = n; clusters > k; --clusters) linkage.merge_nearest_two();
  return linkage.labels();
}

}  // namespace vmoe
