#pragma once
// Elementwise and row kernels on the vector type: sums, norms, GELU, softmax, AdamW.

#include "tensor/kernels/kernels.h"
#include "tensor/kernels/vector_type.h"

namespace vmoe {
namespace {

// Calls f(load, store, i) on whole vectors, then once on the rest: f sees loaders and a storer that know the
// width.
template <class F>
inline void for_vectors(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    f([i](const float* p) { return load(p + i); }, [i](float* p, Vec v) { store(p + i, v); });
  }
  if (const int64_t rest = n - i; rest > 0) {
    f([i, rest](const float* p) { return load_part(p + i, rest); },
      [i, rest](float* p, Vec v) { store_part(p + i, v, rest); });
  }
}

void add(int64_t n, const float* a, const float* b, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, get(a) + get(b)); });
}

void axpy(int64_t n, float factor, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, get(y) + factor * get(x)); });
}

void scale(int64_t n, float factor, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, factor * get(x)); });
}

void mul(int64_t n, const float* a, const float* b, float* y, bool add) {
  if (add) {
    for_vectors(n, [=](auto get, auto put) { put(y, get(y) + get(a) * get(b)); });
  } else {
    for_vectors(n, [=](auto get, auto put) { put(y, get(a) * get(b)); });
  }
}

void add_rows(int64_t rows, int64_t n, const float* x, float* total) {
  for_vectors(n, [=](auto get, auto put) {
    Vec sum = get(total);
    for (int64_t i = 0; i < rows; ++i) sum += get(x + i * n);
    put(total, sum);
  });
}

// Sum over n numbers of f(get): a vector of sums, then its own sum. The part beyond them must give zeros.
template <class F>
inline float row_sum(int64_t n, const F& f) {
  Vec total{};
  for_vectors(n, [&](auto get, auto) { total += f(get); });
  return sum(total);
}

float dot(int64_t n, const float* a, const float* b) {
  return row_sum(n, [=](auto get) { return get(a) * get(b); });
}

double sum_of_squares(int64_t n, const float* x) {
  using Doubles = double __attribute__((vector_size(2 * kVectorBytes)));
  Doubles total{};
  for_vectors(n, [&](auto get, auto) {
    const Doubles v = __builtin_convertvector(get(x), Doubles);
    total += v * v;
  });
  double result = 0;
  for (int i = 0; i < kWidth; ++i) result += total[i];
  return result;
}

// --- layer norm ---

void layer_norm(int64_t rows, int64_t n, const float* x, const float* gain, const float* bias, float epsilon,
                float* y, float* mean, float* rstd) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const float m = row_sum(n, [=](auto get) { return get(x); }) / n;
    // The differences go through y, so that beyond the row they read as zeros.
    for_vectors(n, [=](auto get, auto put) { put(y, get(x) - m); });
    const float variance = row_sum(n, [=](auto get) { return get(y) * get(y); }) / n;
    const float s = 1.0f / __builtin_sqrtf(variance + epsilon);
    mean[r] = m;
    rstd[r] = s;
    if (gain) {
      for_vectors(n, [=](auto get, auto put) { put(y, get(y) * s * get(gain) + get(bias)); });
    } else {
      scale(n, s, y, y);
    }
  }
}

template <bool kGain, bool kAdd>
inline void layer_norm_backward_row(int64_t n, const float* x, const float* gain, float m, float s,
                                    const float* dy, float* dx, float* dgain, float* dbias) {
  // With h = (x - m) s and g = dy * gain: dx = s (g - mean(g) - h mean(g h)). g is zero beyond the row.
  Vec sum_g{}, sum_gh{};
  for_vectors(n, [&](auto get, auto put) {
    const Vec h = (get(x) - m) * s, d = get(dy);
    Vec g = d;
    if constexpr (kGain) {
      put(dgain, get(dgain) + d * h);
      put(dbias, get(dbias) + d);
      g = d * get(gain);
    }
    sum_g += g;
    sum_gh += g * h;
  });
  const float mean_g = sum(sum_g) / n, mean_gh = sum(sum_gh) / n;
  for_vectors(n, [=](auto get, auto put) {
    const Vec h = (get(x) - m) * s;
    Vec g = get(dy);
    if constexpr (kGain) g = g * get(gain);
    const Vec d = s * (g - mean_g - h * mean_gh);
    put(dx, kAdd ? get(dx) + d : d);
  });
}

void layer_norm_backward(int64_t rows, int64_t n, const float* x, const float* gain, const float* mean,
                         const float* rstd, const float* dy, float* dx, bool add, float* dgain,
                         float* dbias) {
  const auto row = gain
                       ? (add ? layer_norm_backward_row<true, true> : layer_norm_backward_row<true, false>)
                       : (add ? layer_norm_backward_row<false, true> : layer_norm_backward_row<false, false>);
  for (int64_t r = 0; r < rows; ++r) {
    row(n, x + r * n, gain, mean[r], rstd[r], dy + r * n, dx + r * n, dgain, dbias);
  }
}

// --- ReLU, GELU ---

void relu(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec v = get(x);
    put(y, v < Vec{} ? Vec{} : v);
  });
}

void relu_backward(int64_t n, const float* x, const float* dy, float* dx, bool add) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec d = get(x) > Vec{} ? get(dy) : Vec{};
    put(dx, add ? get(dx) + d : d);
  });
}

void gelu(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec v = get(x);
    put(y, v * normal_cdf(v));
  });
}

void gelu_backward(int64_t n, const float* x, const float* dy, float* dx, bool add, float* y) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec v = get(x), cdf = normal_cdf(v), density = exp_of_negative(v * v * -0.5f);
    const Vec d = get(dy) * (cdf + v * density * 0.39894228f);
    put(dx, add ? get(dx) + d : d);
    if (y) put(y, v * cdf);
  });
}

void gelu_tanh(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec v = get(x);
    put(y, 0.5f * v * (1.0f + tanh(0.79788456f * (v + 0.044715f * v * v * v))));
  });
}

void gelu_tanh_backward(int64_t n, const float* x, const float* dy, float* dx, bool add, float* y) {
  for_vectors(n, [=](auto get, auto put) {
    const Vec v = get(x), t = tanh(0.79788456f * (v + 0.044715f * v * v * v));
    const Vec inner = 0.79788456f * (1.0f + 0.134145f * v * v);
    const Vec d = get(dy) * (0.5f * (1.0f + t) + 0.5f * v * (1.0f - t * t) * inner);
    put(dx, add ? get(dx) + d : d);
    if (y) put(y, 0.5f * v * (1.0f + t));
  });
}

// --- the elementary functions by themselves ---

void exponential(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, exp(get(x))); });
}

void hyperbolic_tangent(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, tanh(get(x))); });
}

void normal_distribution(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](auto get, auto put) { put(y, normal_cdf(get(x))); });
}

// --- softmax ---

// The last numbers of a row, 1 .. kWidth, and zeros up to its stride if there is room for a whole vector: a
// partial store makes the next row's loads wait.
inline void store_last(float* p, Vec v, int64_t count, int64_t room) {
  if (room >= kWidth) {
    store(p, v);
    count = kWidth;
  } else {
    store_part(p, v, count);
  }
  for (int64_t i = count; i < room; ++i) p[i] = 0;
}

// A row of V vectors stays in registers from end to end; the last one holds `last` numbers, 1 .. kWidth.
template <int V>
inline void softmax_short_row(int64_t last, int64_t stride, float factor, const float* x, float* y) {
  constexpr int64_t kTail = (V - 1) * kWidth;
  Vec row[V], total{};
  for (int i = 0; i < V - 1; ++i) row[i] = load(x + i * kWidth);
  // Beyond the row its first number is repeated, so that the largest is that of the row.
  row[V - 1] = last == kWidth ? load(x + kTail) : load_part_or(splat(x[0]), x + kTail, last);
  Vec most = row[0];
  for (int i = 1; i < V; ++i) most = max(most, row[i]);
  const float shift = factor * largest(most);
  for (int i = 0; i < V; ++i) row[i] = exp_of_negative(factor * row[i] - shift);
  row[V - 1] = first_of(row[V - 1], last);
  for (int i = 0; i < V; ++i) total += row[i];
  const float inverse = 1.0f / sum(total);
  for (int i = 0; i < V - 1; ++i) store(y + i * kWidth, inverse * row[i]);
  store_last(y + kTail, inverse * row[V - 1], last, stride - kTail);
}

void softmax_row(int64_t n, int64_t stride, float factor, const float* x, float* y) {
  const int64_t tail = (n - 1) / kWidth * kWidth, last = n - tail;
  Vec most = splat(x[0]), total{};
  for (int64_t i = 0; i < tail; i += kWidth) most = max(most, load(x + i));
  const Vec end = last == kWidth ? load(x + tail) : load_part_or(splat(x[0]), x + tail, last);
  const float shift = factor * largest(max(most, end));
  for (int64_t i = 0; i < tail; i += kWidth) {
    const Vec e = exp_of_negative(factor * load(x + i) - shift);
    store(y + i, e);
    total += e;
  }
  const Vec e = first_of(exp_of_negative(factor * end - shift), last);
  const float inverse = 1.0f / sum(total + e);
  scale(tail, inverse, y, y);
  store_last(y + tail, inverse * e, last, stride - tail);
}

template <int V>
inline void softmax_short_rows(int64_t rows, int64_t n, int64_t stride, float factor, const float* x,
                               float* y) {
  const int64_t last = n - (V - 1) * kWidth;
  for (int64_t r = 0; r < rows; ++r)
    softmax_short_row<V>(last, stride, factor, x + r * stride, y + r * stride);
}

void softmax(int64_t rows, int64_t n, int64_t stride, float factor, const float* x, float* y) {
  const int64_t vectors = (n + kWidth - 1) / kWidth;
  if (vectors == 1) softmax_short_rows<1>(rows, n, stride, factor, x, y);
  if (vectors == 2) softmax_short_rows<2>(rows, n, stride, factor, x, y);
  if (vectors == 3) softmax_short_rows<3>(rows, n, stride, factor, x, y);
  if (vectors == 4) softmax_short_rows<4>(rows, n, stride, factor, x, y);
  if (vectors <= 4) return;
  for (int64_t r = 0; r < rows; ++r) softmax_row(n, stride, factor, x + r * stride, y + r * stride);
}

void softmax_backward(int64_t rows, int64_t n, int64_t stride, float factor, const float* y, const float* dy,
                      float* dx, bool add) {
  for (int64_t r = 0; r < rows; ++r, y += stride, dy += stride, dx += stride) {
    const float mean = row_sum(n, [=](auto get) { return get(y) * get(dy); });
    for_vectors(n, [=](auto get, auto put) {
      const Vec d = factor * get(y) * (get(dy) - mean);
      put(dx, add ? get(dx) + d : d);
    });
  }
}

// --- AdamW ---

inline Vec square_root(Vec x) {
  for (int i = 0; i < kWidth; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
}

void adamw(int64_t n, const AdamWStep& s, const float* gradient, float* w, float* m, float* v) {
  const float keep = 1 - s.lr * s.weight_decay, step = s.lr / s.correction1;
  const float root = 1 / __builtin_sqrtf(s.correction2);
  for_vectors(n, [=](auto get, auto put) {
    const Vec g = get(gradient) * s.gradient_scale;
    const Vec m1 = s.beta1 * get(m) + (1 - s.beta1) * g;
    const Vec v1 = s.beta2 * get(v) + (1 - s.beta2) * g * g;
    put(m, m1);
    put(v, v1);
    put(w, get(w) * keep - step * m1 / (square_root(v1) * root + s.epsilon));
  });
}

}  // namespace
}  // namespace vmoe
