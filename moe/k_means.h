#pragma once
// k-means clustering with seeded k-means++ starts.

#include <cstdint>
#include <span>
#include <vector>

namespace vmoe {

/// Divides n points into exactly k clusters, none of them empty, such that the sum of squared distances to
/// the clusters' means (inertia) is small: Lloyd's iteration from 20 starts by k-means++ (Arthur and
/// Vassilvitskii, SODA 2007), of which the lowest inertia wins, the first of several. A cluster that becomes
/// empty takes the point farthest from its own mean. Ties go to the lower index, so the result is a function
/// of points and seed. points [n, d]; 1 <= k <= n. Returns the cluster of each point, in 0 .. k-1, numbered
/// by their smallest point.
std::vector<int> k_means(std::span<const double> points, int n, int d, int k, uint64_t seed);

/// Numbers clusters 0 .. k-1 anew in the order of their smallest members.
void number_by_smallest(std::vector<int>& labels, int k);

}  // namespace vmoe
