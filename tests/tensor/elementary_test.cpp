// The error of exp, tanh and the normal distribution function on every instruction set, in units in the last
// place (ulp) over floats of every exponent, against the C library's in double. The bounds are those that
// vector_type.h states.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tensor/kernels/kernels.h"

using namespace vmoe;

#ifndef VMOE_F64
namespace {

using Function = void (*)(int64_t, const real*, real*);
using Exact = double (*)(double);
using Bound = std::function<double(double)>;  // ulp that are allowed at x

double exact_exp(double x) {
  return std::exp(x);
}
double exact_tanh(double x) {
  return std::tanh(x);
}
double exact_cdf(double x) {
  return 0.5 * std::erfc(-x * 0.70710678118654752440);
}

// About 70,000 floats of each sign, evenly spread over exponents, from 2^-40 to `most`.
std::vector<real> dense_sample(float least, float most) {
  std::vector<real> x = {0};
  const auto bits_of = [](float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  };
  for (const float end : {least, most}) {
    const uint32_t sign = end < 0 ? 0x80000000u : 0;
    for (uint32_t bits = bits_of(0x1p-40f); bits <= bits_of(std::fabs(end)); bits += 4999) {
      const uint32_t signed_bits = bits | sign;
      float value;
      std::memcpy(&value, &signed_bits, sizeof value);
      x.push_back(value);
    }
    x.push_back(end);
  }
  return x;
}

double spacing(double value) {  // of floats around it, which below 2^-126 are evenly spaced
  int exponent;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent, -125) - 24);
}

// The largest error at a point, as a share of what is allowed there; 0 is right for what is no normal float.
double worst_share(Function function, Exact exact, const std::vector<real>& x, const Bound& ulp) {
  std::vector<real> y(x.size());
  function(static_cast<int64_t>(x.size()), x.data(), y.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = exact(x[i]);
    if (want < 0x1.01p-126 && want > -0x1.01p-126 && y[i] == 0) continue;
    const double share = std::fabs(y[i] - want) / spacing(want) / ulp(x[i]);
    if (!(share <= worst)) worst = share;
  }
  return worst;
}

double worst_error(Function function, Exact exact, const std::vector<real>& x) {
  std::vector<real> y(x.size());
  function(static_cast<int64_t>(x.size()), x.data(), y.data());
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double error = std::fabs(y[i] - exact(x[i]));
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEST_CASE("e^x is within 2 ulp wherever it is a normal float, 0 below") {
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    CHECK(worst_share(table->exponential, exact_exp, dense_sample(-87, 88), [](double) { return 2; }) <= 1);
    const real x[] = {-88, -100, -1e30f, -INFINITY, NAN};
    real y[5];
    table->exponential(5, x, y);
    for (int i = 0; i < 4; ++i) CHECK(y[i] <= 0x1p-126f);
    CHECK(std::isnan(y[4]));
  }
}

TEST_CASE("tanh x is within 3 ulp of the exact value everywhere, and 1 far out") {
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    const std::vector<real> x = dense_sample(-30, 30);
    CHECK(worst_share(table->hyperbolic_tangent, exact_tanh, x, [](double) { return 3; }) <= 1);
    CHECK(worst_error(table->hyperbolic_tangent, exact_tanh, x) <= 1.5e-7);
    const real far[] = {100, -1e30f, INFINITY, -INFINITY, NAN};
    real y[5];
    table->hyperbolic_tangent(5, far, y);
    CHECK((y[0] == 1 && y[1] == -1 && y[2] == 1 && y[3] == -1 && std::isnan(y[4])));
  }
}

TEST_CASE("the fast normal distribution function is within 1.3e-7, and within 3 ulp above 0") {
  for (const Kernels* table : available_kernels()) {
    INFO(table->name);
    const std::vector<real> x = dense_sample(-13, 30), right = dense_sample(0, 30);
    CHECK(worst_error(table->normal_distribution, exact_cdf, x) <= 1.3e-7);
    CHECK(worst_share(table->normal_distribution, exact_cdf, right, [](double) { return 3; }) <= 1);
    const real far[] = {-40, -1e18f, -INFINITY, INFINITY, NAN};
    real y[5];
    table->normal_distribution(5, far, y);
    CHECK((y[0] == 0 && y[1] == 0 && y[2] == 0 && std::isnan(y[4])));
    CHECK(std::fabs(y[3] - 1) <= 1.3e-7);
  }
}
#endif
