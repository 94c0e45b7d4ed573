#include "moe/k_means.h"

#include <algorithm>
#include <limits>

#include "tensor/error.h"
#include "tensor/random.h"

namespace vmoe {
namespace {

constexpr int kRestarts = 20;
constexpr int kMaxRounds = 100;  // of Lloyd's iteration; a dozen are usual

/// One try at dividing the points.
class Clustering {
 public:
  Clustering(std::span<const double> points, int n, int d, int k)
      : points_(points),
        n_(n),
        d_(d),
        k_(k),
        centers_(static_cast<size_t>(k) * d),
        labels_(n, 0),
        sizes_(k) {}

  /// k-means++: each centre is a point drawn with a chance proportional to its squared distance from the
  /// nearest one so far. When no distance is left (points that coincide), empty clusters are repaired later.
  void start(Random random) {
    std::vector<double> nearest(n_, std::numeric_limits<double>::infinity());
    int chosen = static_cast<int>(random.below(n_));
    for (int c = 0; c < k_; ++c) {
      if (c > 0) chosen = draw(nearest, random.uniform());
      place_center(c, chosen);
      for (int i = 0; i < n_; ++i) nearest[i] = std::min(nearest[i], distance(i, c));
    }
  }

  /// Lloyd's iteration until no point changes its cluster.
  void refine() {
    for (int round = 0; round < kMaxRounds; ++round) {
      const std::vector<int> before = labels_;
      assign();
      fill_empty_clusters();
      move_centers();
      if (round > 0 && labels_ == before) break;
    }
  }

  double inertia() const {
    double sum = 0;
    for (int i = 0; i < n_; ++i) sum += distance(i, labels_[i]);
    return sum;
  }

  const std::vector<int>& labels() const { return labels_; }

 private:
  const double* point(int i) const { return points_.data() + static_cast<size_t>(i) * d_; }
  double* center(int c) { return centers_.data() + static_cast<size_t>(c) * d_; }

  /// Squared distance of point i from centre c.
  double distance(int i, int c) const {
    const double *x = point(i), *m = centers_.data() + static_cast<size_t>(c) * d_;
    double sum = 0;
    for (int j = 0; j < d_; ++j) sum += (x[j] - m[j]) * (x[j] - m[j]);
    return sum;
  }

  /// The point at share u in [0, 1) of the sum of weights.
  int draw(const std::vector<double>& weights, double u) const {
    double total = 0;
    for (const double weight : weights) total += weight;
    double rest = u * total;
    int last = 0;  // with a positive weight; rounding may lead past it
    for (int i = 0; i < n_; ++i) {
      if (weights[i] <= 0) continue;
      last = i;
      rest -= weights[i];
      if (rest < 0) break;
    }
    return last;
  }

  void place_center(int c, int i) { std::copy_n(point(i), d_, center(c)); }

  void assign() {
    sizes_.assign(k_, 0);
    for (int i = 0; i < n_; ++i) {
      int best = 0;
      double least = distance(i, 0);
      for (int c = 1; c < k_; ++c) {
        const double candidate = distance(i, c);
        if (candidate < least) {
          least = candidate;
          best = c;
        }
      }
      labels_[i] = best;
      ++sizes_[best];
    }
  }

  void fill_empty_clusters() {
    for (int c = 0; c < k_; ++c) {
      if (sizes_[c] > 0) continue;
      const int moved = farthest_point();
      --sizes_[labels_[moved]];
      labels_[moved] = c;
      sizes_[c] = 1;
      place_center(c, moved);
    }
  }

  /// The point farthest from its centre, of those that do not make up a cluster alone.
  int farthest_point() const {
    int farthest = -1;
    double greatest = -1;
    for (int i = 0; i < n_; ++i) {
      if (sizes_[labels_[i]] < 2) continue;
      const double candidate = distance(i, labels_[i]);
      if (candidate > greatest) {
        greatest = candidate;
        farthest = i;
      }
    }
    return farthest;
  }

  void move_centers() {
    std::fill(centers_.begin(), centers_.end(), 0.0);
    for (int i = 0; i < n_; ++i) {
      for (int j = 0; j < d_; ++j) center(labels_[i])[j] += point(i)[j];
    }
    for (int c = 0; c < k_; ++c) {
      for (int j = 0; j < d_; ++j) center(c)[j] /= sizes_[c];
    }
  }

  std::span<const double> points_;
  int n_, d_, k_;
  std::vector<double> centers_;  // [k, d]
  std::vector<int> labels_;      // [n]
  std::vector<int> sizes_;       // [k]: points of each cluster
};

}  // namespace

void number_by_smallest(std::vector<int>& labels, int k) {
  std::vector<int> number(k, -1);
  int next = 0;
  for (int& label : labels) {
    if (number[label] < 0) number[label] = next++;
    label = number[label];
  }
}

std::vector<int> k_means(std::span<const double> points, int n, int d, int k, uint64_t seed) {
  if (k < 1 || k > n || d < 1 || points.size() != static_cast<size_t>(n) * d) {
    throw ShapeError("k_means: needs points [n, d] and 1 <= k <= n");
  }
  std::vector<int> best;
  double lowest = std::numeric_limits<double>::infinity();
  for (uint32_t restart = 0; restart < kRestarts; ++restart) {
    Clustering attempt(points, n, d, k);
    attempt.start(Random(seed, Stream::cluster, /*epoch=*/0, /*position=*/restart));
    attempt.refine();
    const double inertia = attempt.inertia();
    if (inertia < lowest || best.empty()) {
      lowest = inertia;
      best = attempt.labels();
    }
  }
  number_by_smallest(best, k);
  return best;
}

}  // namespace vmoe
