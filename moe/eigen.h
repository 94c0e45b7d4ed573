#pragma once
// Eigenvalues and eigenvectors of a symmetric matrix, in double precision. Plain loops in a fixed order: the
// same bits for any number of threads, and on every compiler and machine (no contraction, sqrt alone).
//
// Householder reflections bring the matrix to tridiagonal form, QR steps with Wilkinson's shift make that
// diagonal (Golub and Van Loan, Matrix Computations, 4th edition, algorithms 8.3.1 and 8.3.2). About 3 n^3
// multiply-adds.

#include <span>
#include <vector>

namespace vmoe {

struct SymmetricEigen {
  std::vector<double> values;  // [n], ascending
  std::vector<double>
      vectors;  // [n, n]: row i belongs to values[i], has length 1, and its largest entry is > 0
};

/// A = sum_i values[i] * vectors[i]^T vectors[i], up to about n * 1e-16 * the largest |eigenvalue|.
/// matrix [n, n], symmetric, finite; n >= 1. Of equal eigenvalues any orthonormal vectors of their space are
/// given. Throws ShapeError for a matrix that is not square, not symmetric, or not finite.
SymmetricEigen symmetric_eigen(std::span<const double> matrix, int n);

}  // namespace vmoe
