#include "moe/eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "tensor/error.h"

namespace vmoe {
namespace {

using Vector = std::vector<double>;

/// A square matrix by rows.
struct Matrix {
  int n;
  Vector numbers;
  double* row(int i) { return numbers.data() + static_cast<size_t>(i) * n; }
  double& at(int i, int j) { return row(i)[j]; }
};

struct Tridiagonal {
  Vector diagonal;  // [n]
  Vector beside;    // [n]: beside[i] lies between diagonal[i] and diagonal[i + 1]; the last is 0
};

void require_symmetric(std::span<const double> matrix, int n) {
  if (n < 1 || matrix.size() != static_cast<size_t>(n) * n) {
    throw ShapeError("symmetric_eigen: " + std::to_string(matrix.size()) +
                     " numbers for n = " + std::to_string(n));
  }
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      const double a = matrix[i * n + j];
      if (std::isfinite(a) && a == matrix[j * n + i]) continue;
      throw ShapeError("symmetric_eigen: entry [" + std::to_string(i) + ", " + std::to_string(j) +
                       "] is not finite or differs from its mirror image");
    }
  }
}

/// v becomes the Householder vector that maps x = v to (alpha, 0, 0, ...): H = 1 - tau v v^T. Returns tau.
double reflector(double* v, int n, double& alpha) {
  double largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
  alpha = 0;
  if (largest == 0) return 0;
  double squares = 0;
  for (int i = 0; i < n; ++i) {
    v[i] /= largest;  // no square overflows or vanishes
    squares += v[i] * v[i];
  }
  const double norm = v[0] > 0 ? -std::sqrt(squares) : std::sqrt(squares);
  alpha = norm * largest;
  squares += norm * norm - 2 * norm * v[0];  // of v - (norm, 0, 0, ...)
  v[0] -= norm;
  return 2 / squares;
}

/// A -= v w^T + w v^T with the w that makes it H A H, on the rows and columns from `first` on.
void reflect_both_sides(Matrix& a, int first, const double* v, double tau) {
  const int n = a.n - first;
  Vector w(n, 0.0);
  for (int i = 0; i < n; ++i) {  // w = A v, by rows: A is symmetric
    const double* row = a.row(first + i) + first;
    for (int j = 0; j < n; ++j) w[j] += v[i] * row[j];
  }
  double product = 0;
  for (int i = 0; i < n; ++i) product += w[i] * v[i];
  for (int i = 0; i < n; ++i) w[i] = tau * w[i] - tau * tau * product / 2 * v[i];
  for (int i = 0; i < n; ++i) {
    double* row = a.row(first + i) + first;
    for (int j = 0; j < n; ++j) row[j] -= v[i] * w[j] + w[i] * v[j];
  }
}

/// Brings A to tridiagonal form T = Q^T A Q with Q = H_0 H_1 ...; the vector of H_k stays in row k, from k +
/// 1 on.
Tridiagonal tridiagonalise(Matrix& a, Vector& tau) {
  Tridiagonal t{Vector(a.n), Vector(a.n, 0.0)};
  for (int k = 0; k + 1 < a.n; ++k) {
    double* v = a.row(k) + k + 1;
    tau[k] = reflector(v, a.n - k - 1, t.beside[k]);
    reflect_both_sides(a, k + 1, v, tau[k]);
  }
  for (int i = 0; i < a.n; ++i) t.diagonal[i] = a.at(i, i);
  return t;
}

/// Q^T, by rows, from the reflections.
Matrix transposed_product(Matrix& reflections, const Vector& tau) {
  const int n = reflections.n;
  Matrix q{n, Vector(static_cast<size_t>(n) * n, 0.0)};
  for (int i = 0; i < n; ++i) q.at(i, i) = 1;
  for (int k = n - 2; k >= 0;
       --k) {  // Q = H_k Q; rows and columns up to k are still those of the unit matrix
    const double* v = reflections.row(k) + k + 1;
    const int first = k + 1, size = n - first;
    Vector product(size, 0.0);  // v^T Q
    for (int i = 0; i < size; ++i) {
      const double* row = q.row(first + i) + first;
      for (int j = 0; j < size; ++j) product[j] += v[i] * row[j];
    }
    for (int i = 0; i < size; ++i) {
      double* row = q.row(first + i) + first;
      const double factor = tau[k] * v[i];
      for (int j = 0; j < size; ++j) row[j] -= factor * product[j];
    }
  }
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < i; ++j) std::swap(q.at(i, j), q.at(j, i));
  }
  return q;
}

/// (x, y) <- (c x + s y, c y - s x), for all numbers of two rows.
void rotate(double* x, double* y, int n, double c, double s) {
  for (int i = 0; i < n; ++i) {
    const double before = x[i];
    x[i] = c * before + s * y[i];
    y[i] = c * y[i] - s * before;
  }
}

/// The eigenvalue of the block's last 2 x 2 corner that is nearer to its last entry.
double wilkinson_shift(const Tridiagonal& t, int last) {
  const double e = t.beside[last - 1], half = (t.diagonal[last - 1] - t.diagonal[last]) / 2;
  const double root = std::sqrt(half * half + e * e);
  return t.diagonal[last] - e * e / (half + (half < 0 ? -root : root));
}

/// One implicit QR step on rows first..last: a rotation of the first two rows, then others that chase the
/// entry which it creates beside the band out at the bottom. The rows of `vectors` take part.
void qr_step(Tridiagonal& t, int first, int last, Matrix& vectors) {
  Vector &d = t.diagonal, &e = t.beside;
  double x = d[first] - wilkinson_shift(t, last), z = e[first];
  for (int k = first; k < last; ++k) {
    const double r = std::sqrt(x * x + z * z);
    const double c = r == 0 ? 1 : x / r, s = r == 0 ? 0 : z / r;
    if (k > first) e[k - 1] = r;
    const double a = d[k], b = d[k + 1], between = e[k];
    d[k] = c * c * a + 2 * c * s * between + s * s * b;
    d[k + 1] = s * s * a - 2 * c * s * between + c * c * b;
    e[k] = c * s * (b - a) + (c * c - s * s) * between;
    rotate(vectors.row(k), vectors.row(k + 1), vectors.n, c, s);
    if (k + 1 == last) break;
    x = e[k];
    z = s * e[k + 1];
    e[k + 1] *= c;
  }
}

/// Makes T diagonal; the rows of `vectors` become its eigenvectors in the basis that they were.
void diagonalise(Tridiagonal& t, Matrix& vectors) {
  const auto negligible = [&t](int i) {
    const double around = std::abs(t.diagonal[i]) + std::abs(t.diagonal[i + 1]);
    return std::abs(t.beside[i]) <= std::numeric_limits<double>::epsilon() / 2 * around ||
           std::abs(t.beside[i]) < std::numeric_limits<double>::min();
  };
  constexpr int kMaxSteps = 100;  // per eigenvalue; about 2 are usual
  for (int last = t.diagonal.size() - 1; last > 0; --last) {
    for (int steps = 0; !negligible(last - 1); ++steps) {
      if (steps == kMaxSteps) throw ShapeError("symmetric_eigen: the QR steps did not converge");
      int first = last - 1;
      while (first > 0 && !negligible(first - 1)) --first;
      qr_step(t, first, last, vectors);
    }
    t.beside[last - 1] = 0;
  }
}

/// The sign under which the entry of largest magnitude (the first of several) is positive.
double sign_of(const double* vector, int n) {
  const double* largest =
      std::max_element(vector, vector + n, [](double a, double b) { return std::abs(a) < std::abs(b); });
  return *largest < 0 ? -1 : 1;
}

/// The power of two that brings the largest entry to [1/2, 1), so that no product overflows or vanishes.
int exponent_of_largest(std::span<const double> matrix) {
  double largest = 0;
  for (const double a : matrix) largest = std::max(largest, std::abs(a));
  int exponent = 0;
  std::frexp(largest, &exponent);
  return exponent;
}

}  // namespace

SymmetricEigen symmetric_eigen(std::span<const double> matrix, int n) {
  require_symmetric(matrix, n);
  Matrix a{n, Vector(matrix.begin(), matrix.end())};
  const int exponent = exponent_of_largest(matrix);
  for (double& x : a.numbers) x = std::ldexp(x, -exponent);
  Vector tau(n, 0.0);
  Tridiagonal t = tridiagonalise(a, tau);
  Matrix vectors = transposed_product(a, tau);
  diagonalise(t, vectors);

  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int i, int j) { return t.diagonal[i] < t.diagonal[j]; });
  SymmetricEigen result;
  for (const int i : order) {
    result.values.push_back(std::ldexp(t.diagonal[i], exponent));
    const double sign = sign_of(vectors.row(i), n);
    for (int j = 0; j < n; ++j) result.vectors.push_back(sign * vectors.at(i, j));
  }
  return result;
}

}  // namespace vmoe
