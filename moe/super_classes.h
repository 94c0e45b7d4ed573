#pragma once
// Super-classes: the division of a data set's classes into E groups, one expert each, that Mobile V-MoE's
// router learns (Daxberger et al. 2023, arXiv:2309.04354). Classes that a dense baseline confuses go together.
//
// Letters: K classes, E super-classes (= experts).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace vmoe {

/// How good a division is, on the confusion graph A [K, K].
struct DivisionReport {
  double modularity =
      0;  // sum_ab [A_ab - d_a d_b / 2m] [same super-class] / 2m; 2m = sum A, d_a = sum_b A_ab
  double inside_share =
      0;  // share of the confusion of different classes that lies inside super-classes, 0 to 1
  double random_mean = 0;  // the same share for 100 random divisions of the same sizes: mean
  double random_sd = 0;    // and standard deviation

  bool operator==(const DivisionReport&) const = default;
};

struct SuperClasses {
  int experts = 0;                   // E
  std::vector<std::string> classes;  // [K] names
  std::vector<int> super_class;      // [K] in 0 .. E-1; each super-class has at least one class
  std::vector<std::string> names;    // [E], or empty: a clustering has no names
  std::optional<DivisionReport> report;

  std::vector<int> sizes() const;  // [E]: classes of each
  bool operator==(const SuperClasses&) const = default;
};

/// Super-classes and what a user should be told about them (one line each).
struct Clustering {
  SuperClasses super_classes;
  std::vector<std::string> warnings;
};

/// How classes are clustered: by the eigenvectors of the confusion graph, or by merging them pair by pair.
enum class ClusterMethod { spectral, agglomerative };
const char* name_of(ClusterMethod method);

/// Divides the classes by what the baseline confuses, by spectral clustering (Ng, Jordan, Weiss, NIPS 2001):
///   R = confusion with rows scaled to sum 1 (a class without images: the uniform row, and a warning)
///   A = (R + R^T) / 2 with diagonal 0, plus 1e-6 off the diagonal
///   L = 1 - diag(d)^-1/2 A diag(d)^-1/2,  d_a = sum_b A_ab
///   k-means on the rows, scaled to length 1, of the eigenvectors of L's E smallest eigenvalues
/// or by average linkage on A (moe/average_linkage.h), which draws nothing and often leaves classes alone.
/// Always exactly E non-empty super-classes, numbered by their smallest class. A super-class of more than 2 K
/// / E classes brings a warning. A function of its arguments alone, with the same bits everywhere. confusion
/// [K, K]: row = true class, column = predicted class; counts or summed probabilities, finite and >= 0.
/// Throws UsageError if E < 1, E > K, or K is above 4096; ShapeError for a confusion that is not as
/// described.
Clustering cluster_classes(std::span<const double> confusion, const std::vector<std::string>& classes,
                           int experts, ClusterMethod method = ClusterMethod::spectral, uint64_t seed = 0);

/// A division with its report by what the baseline confuses, and the same warnings. Throws as
/// cluster_classes.
Clustering judged(SuperClasses division, std::span<const double> confusion, uint64_t seed = 0);

/// UsageError unless E super-classes of at most `max_size` classes can hold K.
void require_room(int classes, int experts, int max_size);

/// The division with at most `max_size` classes in each super-class: while one has more, that of all classes
/// in such super-classes moves which loses least, to the super-class with room that it is confused with most.
/// The loss is of confusion inside super-classes, graph A [K, K] of diagonal 0. Those with names keep their
/// numbers, others are numbered by their smallest class again; none becomes empty; the report is dropped.
/// Throws as require_room.
SuperClasses cap_sizes(SuperClasses division, std::span<const double> graph, int max_size);
/// The same by the graph of a confusion matrix [K, K].
SuperClasses cap_by_confusion(SuperClasses division, std::span<const double> confusion, int max_size);

/// The control: the same sizes, but classes drawn at random. A function of sizes and seed, without names or
/// report.
SuperClasses random_division(const SuperClasses& division, uint64_t seed);

/// The data set's own coarse labels. coarse_of_class [K] in 0 .. E-1; coarse_names [E], each used by some
/// class (UsageError otherwise).
SuperClasses super_classes_from_coarse(const std::vector<std::string>& classes,
                                       const std::vector<int>& coarse_of_class,
                                       const std::vector<std::string>& coarse_names);

// The parts, for tests and for other divisions.

/// A from the confusion matrix, and the classes without images.
std::vector<double> confusion_graph(std::span<const double> confusion, int classes,
                                    std::vector<int>& without_images);
/// L from A.
std::vector<double> normalised_laplacian(std::span<const double> graph, int classes);
double modularity(std::span<const double> graph, std::span<const int> super_class);
double inside_share(std::span<const double> graph, std::span<const int> super_class);
DivisionReport judge_division(std::span<const double> graph, std::span<const int> super_class, uint64_t seed);

}  // namespace vmoe
