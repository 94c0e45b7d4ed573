// The definition of every kernel: simple loops, sums in order, our own elementary functions. The signature of
// the project is computed on these, so they must give the same bits on every compiler and machine.

#include <algorithm>
#include <cmath>

#include "tensor/kernels/tables.h"
#include "tensor/math.h"

namespace vmoe {
namespace {

constexpr int kPanel = 16;

void pack(int64_t k, int64_t n, const real* b, int64_t b_row, int64_t b_column, real* packed) {
  for (int64_t j = 0; j < n; j += kPanel) {
    for (int64_t p = 0; p < k; ++p) {
      for (int64_t c = j; c < j + kPanel; ++c) *packed++ = c < n ? b[p * b_row + c * b_column] : real{0};
    }
  }
}

void gemm(const Gemm& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j) {
      const real* column = g.b + j / kPanel * kPanel * g.k + j % kPanel;
      real sum = 0;
      for (int64_t p = 0; p < g.k; ++p) sum += g.a[i * g.a_row + p * g.a_column] * column[p * kPanel];
      if (g.bias) sum += g.bias[j];
      real& c = g.c[i * g.c_row + j];
      c = g.base ? g.base[i * g.c_row + j] + sum : g.add ? c + sum : sum;
    }
  }
}

void add(int64_t n, const real* a, const real* b, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void axpy(int64_t n, real factor, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

void scale(int64_t n, real factor, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = factor * x[i];
}

void mul(int64_t n, const real* a, const real* b, real* y, bool add) {
  for (int64_t i = 0; i < n; ++i) y[i] = add ? y[i] + a[i] * b[i] : a[i] * b[i];
}

void add_rows(int64_t rows, int64_t n, const real* x, real* total) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < n; ++j) total[j] += x[i * n + j];
  }
}

real dot(int64_t n, const real* a, const real* b) {
  real total = 0;
  for (int64_t i = 0; i < n; ++i) total += a[i] * b[i];
  return total;
}

double sum_of_squares(int64_t n, const real* x) {
  double total = 0;
  for (int64_t i = 0; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

void layer_norm(int64_t rows, int64_t n, const real* x, const real* gain, const real* bias, real epsilon,
                real* y, real* mean, real* rstd) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    real sum = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    mean[r] = sum / n;
    for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean[r]) * (x[i] - mean[r]);
    rstd[r] = 1 / std::sqrt(squares / n + epsilon);
    for (int64_t i = 0; i < n; ++i) {
      const real h = (x[i] - mean[r]) * rstd[r];
      y[i] = gain ? h * gain[i] + bias[i] : h;
    }
  }
}

// With h = (x - mean) rstd and g = dy * gain:
//   dx = rstd (g - mean(g) - h mean(g h)),  dgain += dy h,  dbias += dy.
void layer_norm_backward(int64_t rows, int64_t n, const real* x, const real* gain, const real* mean,
                         const real* rstd, const real* dy, real* dx, bool add, real* dgain, real* dbias) {
  for (int64_t r = 0; r < rows; ++r, x += n, dy += n, dx += n) {
    real mean_g = 0, mean_gh = 0;
    for (int64_t i = 0; i < n; ++i) {
      const real h = (x[i] - mean[r]) * rstd[r], g = gain ? dy[i] * gain[i] : dy[i];
      mean_g += g;
      mean_gh += g * h;
      if (gain) {
        dgain[i] += dy[i] * h;
        dbias[i] += dy[i];
      }
    }
    mean_g /= n;
    mean_gh /= n;
    for (int64_t i = 0; i < n; ++i) {
      const real h = (x[i] - mean[r]) * rstd[r], g = gain ? dy[i] * gain[i] : dy[i];
      const real d = rstd[r] * (g - mean_g - h * mean_gh);
      dx[i] = add ? dx[i] + d : d;
    }
  }
}

void relu(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] < 0 ? real{0} : x[i];
}

void relu_backward(int64_t n, const real* x, const real* dy, real* dx, bool add) {
  for (int64_t i = 0; i < n; ++i) {
    const real d = x[i] > 0 ? dy[i] : real{0};
    dx[i] = add ? dx[i] + d : d;
  }
}

double normal_cdf(double x) {
  return 0.5 * (1 + math::erf(x * 0.70710678118654752440));
}

void gelu(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(x[i] * normal_cdf(x[i]));
}

// gelu'(x) = Phi(x) + x e^(-x^2/2) / sqrt(2 pi).
void gelu_backward(int64_t n, const real* x, const real* dy, real* dx, bool add, real* y) {
  if (y) gelu(n, x, y);
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i];
    const real d =
        static_cast<real>(dy[i] * (normal_cdf(v) + v * 0.39894228040143267794 * math::exp(-0.5 * v * v)));
    dx[i] = add ? dx[i] + d : d;
  }
}

constexpr double kRootTwoOverPi = 0.79788456080286535588;

void gelu_tanh(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i];
    y[i] = static_cast<real>(0.5 * v * (1 + math::tanh(kRootTwoOverPi * (v + 0.044715 * v * v * v))));
  }
}

void gelu_tanh_backward(int64_t n, const real* x, const real* dy, real* dx, bool add, real* y) {
  if (y) gelu_tanh(n, x, y);
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i], t = math::tanh(kRootTwoOverPi * (v + 0.044715 * v * v * v));
    const double inner = kRootTwoOverPi * (1 + 3 * 0.044715 * v * v);
    const real d = static_cast<real>(dy[i] * (0.5 * (1 + t) + 0.5 * v * (1 - t * t) * inner));
    dx[i] = add ? dx[i] + d : d;
  }
}

void exponential(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(math::exp(x[i]));
}

void hyperbolic_tangent(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(math::tanh(x[i]));
}

void normal_distribution(int64_t n, const real* x, real* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<real>(normal_cdf(x[i]));
}

void softmax(int64_t rows, int64_t n, int64_t stride, real factor, const real* x, real* y) {
  for (int64_t r = 0; r < rows; ++r, x += stride, y += stride) {
    real most = factor * x[0], sum = 0;
    for (int64_t i = 1; i < n; ++i) most = std::max(most, factor * x[i]);
    for (int64_t i = 0; i < n; ++i) sum += y[i] = static_cast<real>(math::exp(factor * x[i] - most));
    for (int64_t i = 0; i < n; ++i) y[i] *= 1 / sum;
    for (int64_t i = n; i < stride; ++i) y[i] = 0;
  }
}

void softmax_backward(int64_t rows, int64_t n, int64_t stride, real factor, const real* y, const real* dy,
                      real* dx, bool add) {
  for (int64_t r = 0; r < rows; ++r, y += stride, dy += stride, dx += stride) {
    real mean = 0;
    for (int64_t i = 0; i < n; ++i) mean += y[i] * dy[i];
    for (int64_t i = 0; i < n; ++i) {
      const real d = factor * y[i] * (dy[i] - mean);
      dx[i] = add ? dx[i] + d : d;
    }
  }
}

void adamw(int64_t n, const AdamWStep& s, const real* gradient, real* w, real* m, real* v) {
  for (int64_t i = 0; i < n; ++i) {
    const real g = gradient[i] * s.gradient_scale;
    m[i] = s.beta1 * m[i] + (1 - s.beta1) * g;
    v[i] = s.beta2 * v[i] + (1 - s.beta2) * g * g;
    const real root = std::sqrt(v[i]) / std::sqrt(s.correction2) + s.epsilon;
    w[i] = w[i] * (1 - s.lr * s.weight_decay) - s.lr / s.correction1 * m[i] / root;
  }
}

int64_t multiply_adds(int64_t rounds, real factor, real term, real* total) {
  constexpr int kSums = 8;
  real x[kSums];
  for (int i = 0; i < kSums; ++i) x[i] = static_cast<real>(i);
  for (int64_t i = 0; i < rounds; ++i) {
    for (real& value : x) value = factor * value + term;
  }
  for (const real value : x) *total += value;
  return 2 * kSums * rounds;
}

}  // namespace

const Kernels kKernels_plain = {
    .name = "plain",
    .vector_bytes = 0,
    .panel = kPanel,
    .pack = pack,
    .gemm = gemm,
    .add = add,
    .axpy = axpy,
    .scale = scale,
    .mul = mul,
    .add_rows = add_rows,
    .dot = dot,
    .sum_of_squares = sum_of_squares,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .relu = relu,
    .relu_backward = relu_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .gelu_tanh = gelu_tanh,
    .gelu_tanh_backward = gelu_tanh_backward,
    .exponential = exponential,
    .hyperbolic_tangent = hyperbolic_tangent,
    .normal_distribution = normal_distribution,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .adamw = adamw,
    .multiply_adds = multiply_adds,
};

}  // namespace vmoe
