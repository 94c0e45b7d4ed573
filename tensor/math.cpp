#include "tensor/math.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace vmoe::math {

namespace {

constexpr double kLn2High = 6.93147180369123816490e-01;  // the first 33 bits: k * kLn2High is exact
constexpr double kLn2Low = 1.90821492927058770002e-10;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// 2^k for -1022 <= k <= 1023.
double power_of_two(int k) {
  const uint64_t bits = static_cast<uint64_t>(k + 1023) << 52;
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Taylor sums on [-pi/4, pi/4]; 10 terms leave less than 1e-18.
double sin_series(double x) {
  double term = x, sum = x;
  for (int n = 1; n <= 9; ++n) {
    term *= -x * x / ((2 * n) * (2 * n + 1));
    sum += term;
  }
  return sum;
}

double cos_series(double x) {
  double term = 1, sum = 1;
  for (int n = 1; n <= 9; ++n) {
    term *= -x * x / ((2 * n - 1) * (2 * n));
    sum += term;
  }
  return sum;
}

// sin(x + shift * pi/2), after x is brought to the nearest multiple of pi/2.
double shifted_sin(double x, int shift) {
  if (!(std::fabs(x) <= 1e6)) return std::numeric_limits<double>::quiet_NaN();
  constexpr double kHalfPiHigh = 1.57079632673412561417e+00;  // 33 bits, the rest in kHalfPiLow
  constexpr double kHalfPiLow = 6.07710050650619224932e-11;
  const double k = std::floor(x * (2 / kPi) + 0.5);
  const double r = (x - k * kHalfPiHigh) - k * kHalfPiLow;
  switch ((static_cast<int64_t>(k) + shift) & 3) {
    case 0:
      return sin_series(r);
    case 1:
      return cos_series(r);
    case 2:
      return -sin_series(r);
    default:
      return -cos_series(r);
  }
}

}  // namespace

double exp(double x) {
  if (x != x) return x;
  if (x > 709.78) return kInfinity;
  if (x < -745) return 0;
  const double k = std::floor(x * 1.44269504088896338700 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1;
  for (int n = 13; n >= 1; --n) sum = 1 + sum * r / n;
  const int whole = static_cast<int>(k), half = whole / 2;  // two factors reach the denormals
  return sum * power_of_two(half) * power_of_two(whole - half);
}

double log(double x) {
  if (x != x || x < 0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return x;
  int k = 0;
  double m = std::frexp(x, &k);  // x = m * 2^k, m in [0.5, 1): exact
  if (m < 0.70710678118654752440) {
    m *= 2;
    --k;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  double sum = 0;
  for (int n = 23; n >= 1; n -= 2) sum = sum * s2 + 2.0 / n;
  return k * kLn2High + (k * kLn2Low + s * sum);
}

double sin(double x) {
  return shifted_sin(x, 0);
}

double cos(double x) {
  return shifted_sin(x, 1);
}

double pow(double x, double y) {
  if (y == 0) return 1;
  if (x == 0) return 0;
  return exp(y * log(x));
}

double tanh(double x) {
  const double a = std::fabs(x);
  if (a < 0.01) return x * (1 - x * x * (1.0 / 3 - x * x * (2.0 / 15 - x * x * (17.0 / 315))));
  const double t = exp(-2 * a), y = (1 - t) / (1 + t);
  return x < 0 ? -y : y;
}

double erf(double x) {
  const double a = std::fabs(x);
  double y;
  if (a < 3) {
    // erf(a) = 2/sqrt(pi) e^(-a^2) sum_n 2^n a^(2n+1) / (1 * 3 * ... * (2n+1)): no cancellation.
    double term = a, sum = a;
    for (int n = 1; n <= 70; ++n) {
      term *= 2 * a * a / (2 * n + 1);
      sum += term;
    }
    y = 1.12837916709551257390 * exp(-a * a) * sum;
  } else if (a < 6) {
    // erfc(a) = e^(-a^2)/sqrt(pi) / (a + (1/2)/(a + (2/2)/(a + (3/2)/(a + ...)))).
    double tail = a;
    for (int n = 60; n >= 1; --n) tail = a + 0.5 * n / tail;
    y = 1 - 0.56418958354775628695 * exp(-a * a) / tail;
  } else {
    y = a != a ? a : 1;
  }
  return x < 0 ? -y : y;
}

}  // namespace vmoe::math
