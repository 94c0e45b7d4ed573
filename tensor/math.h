#pragma once
// Elementary functions in double precision with the same bits on every compiler and machine (the C library's
// differ in the last place). The plain kernels, the schedule, the samplers and the synthetic data use them;
// the fast kernels have vector versions that are held to these by a test in ulp.

namespace vmoe::math {

constexpr double kPi = 3.14159265358979323846;

/// e^x; 0 below -745, infinity above 709.78; NaN stays NaN. Relative error below 2e-16 * max(1, |x|/100).
double exp(double x);
/// Natural logarithm; -infinity at 0, NaN below.
double log(double x);
/// Sine and cosine, |x| <= 1e6 (absolute error below 1e-10 there, below 1e-15 for |x| <= 100).
double sin(double x);
double cos(double x);
/// x^y for x > 0 (0 for x = 0 and y > 0).
double pow(double x, double y);
/// Hyperbolic tangent.
double tanh(double x);
/// Error function 2/sqrt(pi) * integral of e^(-t^2) over [0, x].
double erf(double x);

}  // namespace vmoe::math
