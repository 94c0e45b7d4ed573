#pragma once
// Agglomerative clustering of a weighted graph.

#include <span>
#include <vector>

namespace vmoe {

/// Divides n nodes into exactly k clusters by average linkage (Sokal and Michener 1958): from n clusters of
/// one node on, the two with the largest mean weight between them become one, until k are left. Ties go to
/// the lower nodes. graph [n, n] symmetric, its diagonal is not read; 1 <= k <= n. Returns the cluster of
/// each node, in 0 .. k-1, numbered by their smallest node. Time grows with the square of n, on most graphs.
std::vector<int> average_linkage(std::span<const double> graph, int n, int k);

}  // namespace vmoe
