#pragma once
// The comparer of the tests: the largest error of a tensor against a tolerance that follows its magnitude.

#include <cstdint>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "tensor/real.h"

namespace vmoe::testing {

/// Half a unit in the last place of 1, doubled: the spacing of `real` at 1.
constexpr double kEpsilon = std::numeric_limits<real>::epsilon();

/// Outcome of a comparison. Use it as
///   const Comparison c = compare("logits", got, want, 64 * kEpsilon);
///   CHECK_COMPARISON(c);
struct Comparison {
  std::string what;
  double error = 0;      // largest |got - want|; NaN if either side holds one, or if the sizes differ
  double tolerance = 0;  // relative * max(1, largest finite |want|)
  int64_t index = -1;    // where the largest error is; -1 if there is none
  double got = 0, want = 0;

  /// False also when the error or the tolerance is NaN.
  bool passes() const { return error <= tolerance; }
};

std::ostream& operator<<(std::ostream& out, const Comparison& comparison);

/// Compares number by number. Equal infinities are equal; a NaN on either side fails.
/// The magnitude has a floor of 1: tests draw inputs of order 1, so a result near 0 is a cancellation among
/// numbers of order 1 and carries their rounding errors.
Comparison compare(std::string what, std::span<const double> got, std::span<const double> want,
                   double relative);
Comparison compare(std::string what, std::span<const float> got, std::span<const double> want,
                   double relative);
Comparison compare(std::string what, std::span<const float> got, std::span<const float> want,
                   double relative);

/// True if all comparisons pass.
bool all_pass(const std::vector<Comparison>& comparisons);

}  // namespace vmoe::testing

/// Fails with the place and both numbers.
#define CHECK_COMPARISON(comparison)                               \
  do {                                                             \
    const auto& compared = (comparison);                           \
    CHECK_MESSAGE(compared.error <= compared.tolerance, compared); \
  } while (false)
