// Our elementary functions against the C library's, in units in the last place where no digits cancel.

#include "tensor/math.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tensor/random.h"

using namespace vmoe;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// |got - want| in spacings of doubles at `want`.
double ulps(double got, double want) {
  if (got == want) return 0;
  const double spacing = std::nextafter(std::fabs(want), kInfinity) - std::fabs(want);
  return std::fabs(got - want) / spacing;
}

// The largest error in ulp over random points of [low, high].
double worst_ulps(double (*ours)(double), double (*libm)(double), double low, double high) {
  Random random(1, Stream::test);
  double worst = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = random.uniform(low, high), error = ulps(ours(x), libm(x));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

double worst_error(double (*ours)(double), double (*libm)(double), double low, double high) {
  Random random(2, Stream::test);
  double worst = 0;
  for (int i = 0; i < 20000; ++i) {
    const double x = random.uniform(low, high), error = std::fabs(ours(x) - libm(x));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEST_CASE("exp is within a few ulp of the C library's") {
  CHECK(worst_ulps(math::exp, std::exp, -1, 1) <= 2);
  CHECK(worst_ulps(math::exp, std::exp, -20, 20) <= 3);
  CHECK(worst_ulps(math::exp, std::exp, -700, 709) <= 16);  // its header promises |x|/100 times 2e-16
}

TEST_CASE("exp at its edges") {
  CHECK(math::exp(0) == 1);
  CHECK(math::exp(-746) == 0);
  CHECK(math::exp(-kInfinity) == 0);
  CHECK(math::exp(710) == kInfinity);
  CHECK(math::exp(kInfinity) == kInfinity);
  CHECK(std::isnan(math::exp(kNan)));
  CHECK(math::exp(-744) > 0);  // a denormal
  CHECK(std::isfinite(math::exp(709.7)));
}

TEST_CASE("log is within a few ulp of the C library's, near 1 too") {
  CHECK(worst_ulps(math::log, std::log, 1e-6, 1) <= 4);
  CHECK(worst_ulps(math::log, std::log, 1, 1e6) <= 4);
  CHECK(worst_ulps(math::log, std::log, 0.99, 1.01) <= 4);
}

TEST_CASE("log at its edges") {
  CHECK(math::log(1) == 0);
  CHECK(math::log(0) == -kInfinity);
  CHECK(math::log(kInfinity) == kInfinity);
  CHECK(std::isnan(math::log(-1)));
  CHECK(std::isnan(math::log(kNan)));
  CHECK(ulps(math::log(5e-324), std::log(5e-324)) <= 2);
}

TEST_CASE("exp and log undo each other") {
  Random random(3, Stream::test);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.uniform(-50, 50);
    CHECK(std::fabs(math::log(math::exp(x)) - x) <= 1e-14);
  }
}

TEST_CASE("sine and cosine are near the C library's: 1e-15 up to 100, 1e-10 up to a million") {
  for (const auto& [ours, libm] : {std::pair<double (*)(double), double (*)(double)>{math::sin, std::sin},
                                   std::pair<double (*)(double), double (*)(double)>{math::cos, std::cos}}) {
    CHECK(worst_error(ours, libm, -100, 100) <= 1e-15);
    CHECK(worst_error(ours, libm, -1e6, 1e6) <= 1e-10);
  }
  CHECK(math::sin(0) == 0);
  CHECK(math::cos(0) == 1);
  CHECK(std::isnan(math::sin(kInfinity)));
  CHECK(std::isnan(math::cos(kNan)));
}

TEST_CASE("sine and cosine of one angle lie on the unit circle") {
  Random random(4, Stream::test);
  for (int i = 0; i < 1000; ++i) {
    const double x = random.uniform(-50, 50), s = math::sin(x), c = math::cos(x);
    CHECK(std::fabs(s * s + c * c - 1) <= 1e-15);
  }
}

TEST_CASE("tanh is near the C library's, odd, and 1 far out") {
  CHECK(worst_error(math::tanh, std::tanh, -20, 20) <= 1e-15);
  CHECK(worst_ulps(math::tanh, std::tanh, -0.01, 0.01) <= 4);
  CHECK(math::tanh(0.5) == -math::tanh(-0.5));
  CHECK(math::tanh(1000) == 1);
  CHECK(math::tanh(-kInfinity) == -1);
  CHECK(std::isnan(math::tanh(kNan)));
}

TEST_CASE("erf is near the C library's, odd, and 1 far out") {
  CHECK(worst_error(math::erf, std::erf, -8, 8) <= 2e-15);
  CHECK(worst_ulps(math::erf, std::erf, -0.5, 0.5) <= 8);
  CHECK(math::erf(0) == 0);
  CHECK(math::erf(0.7) == -math::erf(-0.7));
  CHECK(math::erf(kInfinity) == 1);
  CHECK(math::erf(-30) == -1);
  CHECK(std::isnan(math::erf(kNan)));
}

TEST_CASE("pow is near the C library's") {
  Random random(5, Stream::test);
  for (int i = 0; i < 20000; ++i) {
    const double x = random.uniform(0.01, 10), y = random.uniform(-5, 5), want = std::pow(x, y);
    REQUIRE(std::fabs(math::pow(x, y) - want) <= 5e-15 * want);
  }
  CHECK(math::pow(0, 2.5) == 0);
  CHECK(math::pow(7, 0) == 1);
  CHECK(math::pow(0, 0) == 1);
}
