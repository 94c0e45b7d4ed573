#include "tests/support/compare.h"

#include <algorithm>
#include <cmath>

namespace vmoe::testing {

namespace {

template <class Got, class Want>
Comparison compare_numbers(std::string what, std::span<const Got> got, std::span<const Want> want,
                           double relative) {
  Comparison result{.what = std::move(what)};
  if (got.size() != want.size()) {
    result.what += ": " + std::to_string(got.size()) + " numbers instead of " + std::to_string(want.size());
    result.error = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  double magnitude = 1;
  for (const Want w : want) {
    if (std::isfinite(w)) magnitude = std::max(magnitude, std::fabs(static_cast<double>(w)));
  }
  result.tolerance = relative * magnitude;
  for (size_t i = 0; i < got.size(); ++i) {
    const double g = got[i], w = want[i], error = g == w ? 0 : std::fabs(g - w);
    if (error <= result.error) continue;  // NaN goes on
    result.error = error;
    result.index = static_cast<int64_t>(i);
    result.got = g;
    result.want = w;
    if (std::isnan(error)) break;  // nothing is worse
  }
  return result;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Comparison& c) {
  out << c.what << ": error " << c.error << ", tolerance " << c.tolerance;
  if (c.index >= 0) out << ", worst at [" << c.index << "]: got " << c.got << ", want " << c.want;
  return out;
}

Comparison compare(std::string what, std::span<const double> got, std::span<const double> want,
                   double relative) {
  return compare_numbers(std::move(what), got, want, relative);
}

Comparison compare(std::string what, std::span<const float> got, std::span<const double> want,
                   double relative) {
  return compare_numbers(std::move(what), got, want, relative);
}

Comparison compare(std::string what, std::span<const float> got, std::span<const float> want,
                   double relative) {
  return compare_numbers(std::move(what), got, want, relative);
}

bool all_pass(const std::vector<Comparison>& comparisons) {
  return std::all_of(comparisons.begin(), comparisons.end(), [](const Comparison& c) { return c.passes(); });
}

}  // namespace vmoe::testing
