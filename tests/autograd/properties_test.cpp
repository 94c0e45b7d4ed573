// Properties of single ops that no table of numbers states.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "autograd/ops.h"
#include "tests/support/gradient_check.h"

namespace vmoe::testing {
namespace {

std::vector<real> random_values(int64_t count, uint32_t seed) {
  Random random(5, Stream::test, seed);
  std::vector<real> values(count);
  for (real& value : values) value = static_cast<real>(random.normal());
  return values;
}

std::span<const real> span_of(const Tensor& t) {
  return {t.begin(), t.end()};
}
std::vector<double> in_double(const Tensor& t) {
  return {t.begin(), t.end()};
}

// A tape with its own memory.
struct Sheet {
  Arena arena;
  Tape tape{arena};
  Var constant(std::vector<real>& values, const Shape& shape) {
    return tape.constant({values.data(), shape});
  }
  Var leaf(std::vector<real>& values, const Shape& shape) { return tape.leaf({values.data(), shape}); }
  Tensor operator[](Var v) const { return tape.value(v); }
};

std::vector<int> permutation(int count, uint32_t seed) {
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  shuffle(order.data(), static_cast<uint32_t>(count), Random(6, Stream::test, seed));
  return order;
}

// Rows of x in another order: row i of the result is row order[i].
std::vector<real> permuted_rows(const std::vector<real>& x, const std::vector<int>& order, int64_t width) {
  std::vector<real> result;
  for (const int row : order)
    result.insert(result.end(), x.begin() + row * width, x.begin() + (row + 1) * width);
  return result;
}

}  // namespace

TEST_CASE(
    "softmax rows are probabilities that sum to 1, and do not change when a constant is added to the row") {
  for (const int width : {1, 2, 7, 16, 33, 100}) {
    CAPTURE(width);
    Sheet s;
    auto x = random_values(5 * width, 1);
    auto shifted = x;
    for (int i = 0; i < 5 * width; ++i) shifted[i] += static_cast<real>(i / width * 3 - 4);
    const Tensor y = s[softmax(s.tape, s.constant(x, {5, width}))];
    for (int r = 0; r < 5; ++r) {
      double total = 0;
      for (int i = 0; i < width; ++i) {
        CHECK(y[r * width + i] >= 0);
        total += y[r * width + i];
      }
      CHECK(std::fabs(total - 1) <= 8 * kEpsilon);
    }
    const Tensor z = s[softmax(s.tape, s.constant(shifted, {5, width}))];
    CHECK_COMPARISON(compare("shifted", span_of(z), in_double(y), 16 * kEpsilon));
  }
}

TEST_CASE("the gradient of softmax cross entropy sums to 0 over the classes") {
  Sheet s;
  auto x = random_values(6 * 9, 2);
  std::vector<real> q(6 * 9, 0);
  for (int r = 0; r < 6; ++r) q[r * 9 + r] = 1;
  const Var logits = s.leaf(x, {6, 9});
  s.tape.backward(softmax_cross_entropy(s.tape, logits, {q.data(), {6, 9}}));
  const Tensor d = s.tape.grad(logits);
  for (int r = 0; r < 6; ++r) {
    double total = 0;
    for (int i = 0; i < 9; ++i) total += d[r * 9 + i];
    CHECK(std::fabs(total) <= 16 * kEpsilon);
    CHECK(d[r * 9 + r] < 0);
  }
}

TEST_CASE("softmax cross entropy of equal logits is the logarithm of the number of classes") {
  Sheet s;
  std::vector<real> x(4 * 10, real{3}), q(4 * 10, real{0.1f});
  const Tensor loss = s[softmax_cross_entropy(s.tape, s.constant(x, {4, 10}), {q.data(), {4, 10}})];
  CHECK(std::fabs(loss[0] - 4 * std::log(10.0)) <= 1e-6 * 4 * std::log(10.0));
}

TEST_CASE("a logit of -infinity is fine where the target has no weight") {
  Sheet s;
  auto x = random_values(2 * 5, 14);
  x[3] = -std::numeric_limits<real>::infinity();
  std::vector<real> q(2 * 5, 0);
  q[1] = q[7] = 1;
  const Var logits = s.leaf(x, {2, 5});
  const Var loss = softmax_cross_entropy(s.tape, logits, {q.data(), {2, 5}});
  CHECK(std::isfinite(s[loss][0]));
  s.tape.backward(loss);
  for (const real d : s.tape.grad(logits)) CHECK(std::isfinite(d));
  CHECK(s.tape.grad(logits)[3] == 0);
}

TEST_CASE("attention without positions: permuting the tokens permutes the outputs") {
  const int tokens = 13, heads = 3, width = 12;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    Sheet s;
    auto x = random_values(tokens * 3 * width, seed);
    const auto order = permutation(tokens, seed);
    auto moved = permuted_rows(x, order, 3 * width);
    const Tensor y = s[attention(s.tape, s.constant(x, {1, tokens, 3 * width}), heads)];
    const Tensor z = s[attention(s.tape, s.constant(moved, {1, tokens, 3 * width}), heads)];
    const auto want = permuted_rows({y.begin(), y.end()}, order, width);
    CHECK_COMPARISON(
        compare("permuted", span_of(z), std::vector<double>(want.begin(), want.end()), 32 * kEpsilon));
  }
}

TEST_CASE("attention to equal keys is the mean of the values; images do not see each other") {
  Sheet s;
  const int tokens = 5, width = 4;
  auto x = random_values(2 * tokens * 3 * width, 3);
  for (int row = 0; row < 2 * tokens; ++row) {
    for (int i = 0; i < width; ++i) x[row * 3 * width + width + i] = 1;
  }
  const Tensor y = s[attention(s.tape, s.constant(x, {2, tokens, 3 * width}), 2)];
  for (int image = 0; image < 2; ++image) {
    for (int i = 0; i < width; ++i) {
      double mean = 0;
      for (int t = 0; t < tokens; ++t) mean += x[((image * tokens + t) * 3 + 2) * width + i] / tokens;
      for (int t = 0; t < tokens; ++t) {
        CHECK(std::fabs(y[(image * tokens + t) * width + i] - mean) <= 16 * kEpsilon);
      }
    }
  }
}

TEST_CASE("layer_norm gives rows of mean 0 and variance 1, whatever shift and factor the row has") {
  for (const int width : {2, 5, 16, 35, 192}) {
    CAPTURE(width);
    Sheet s;
    auto x = random_values(4 * width, 4);
    auto other = x;
    for (int i = 0; i < 4 * width; ++i) other[i] = 3 * x[i] + static_cast<real>(i / width);
    const Tensor y = s[layer_norm(s.tape, s.constant(x, {4, width}), {}, {}, real(1e-30))];
    for (int r = 0; r < 4; ++r) {
      double mean = 0, square = 0;
      for (int i = 0; i < width; ++i) {
        mean += y[r * width + i] / width;
        square += static_cast<double>(y[r * width + i]) * y[r * width + i] / width;
      }
      CHECK(std::fabs(mean) <= 32 * kEpsilon);
      CHECK(std::fabs(square - 1) <= 64 * kEpsilon);
    }
    const Tensor z = s[layer_norm(s.tape, s.constant(other, {4, width}), {}, {}, real(1e-30))];
    CHECK_COMPARISON(compare("shifted and scaled", span_of(z), in_double(y), 64 * kEpsilon));
  }
}

TEST_CASE("the gradient of layer_norm is orthogonal to the constant and to the normalised row") {
  Sheet s;
  auto x = random_values(3 * 20, 5);
  auto w = random_values(3 * 20, 6);
  const Var v = s.leaf(x, {3, 20});
  const Var y = layer_norm(s.tape, v, {}, {}, real(1e-30));
  s.tape.backward(weighted_sum(s.tape, y, w));
  const Tensor d = s.tape.grad(v), h = s[y];
  for (int r = 0; r < 3; ++r) {
    double constant = 0, row = 0;
    for (int i = r * 20; i < (r + 1) * 20; ++i) {
      constant += d[i];
      row += static_cast<double>(d[i]) * h[i];
    }
    CHECK(std::fabs(constant) <= 64 * kEpsilon);
    CHECK(std::fabs(row) <= 64 * kEpsilon);
  }
}

TEST_CASE("rows gathered by a permutation and combined with gate 1 come back bit for bit") {
  Sheet s;
  auto x = random_values(9 * 17, 7);
  std::vector<real> ones(9, 1);
  const auto order = permutation(9, 7);
  const View<const int> index{order.data(), {9}};
  const Var gathered = gather_rows(s.tape, s.constant(x, {9, 17}), index);
  const Tensor y = s[combine_rows(s.tape, gathered, s.constant(ones, {9}), index, 9)];
  CHECK(std::memcmp(y.data, x.data(), x.size() * sizeof(real)) == 0);
  for (int i = 0; i < 9; ++i) CHECK(s[gathered][i * 17] == x[order[i] * 17]);
}

TEST_CASE("combine_rows conserves: gates that sum to 1 over copies of a row give the row") {
  Sheet s;
  auto x = random_values(4 * 5, 8);
  const std::vector<int> twice = {0, 1, 2, 3, 3, 2, 1, 0};
  std::vector<real> gates = {real(0.25), real(0.5), 1, real(0.125), real(0.875), 0, real(0.5), real(0.75)};
  const View<const int> index{twice.data(), {8}};
  const Var rows = gather_rows(s.tape, s.constant(x, {4, 5}), index);
  const Tensor y = s[combine_rows(s.tape, rows, s.constant(gates, {8}), index, 4)];
  CHECK_COMPARISON(compare("rows", span_of(y), in_double({x.data(), {4, 5}}), 4 * kEpsilon));
}

TEST_CASE("unfold with stride = size cuts an image into patches: every pixel once, rows of patches first") {
  Sheet s;
  const int channels = 3, height = 4, width = 6, size = 2;
  std::vector<real> x(channels * height * width);
  std::iota(x.begin(), x.end(), real{0});
  const SlidingWindow window{height, width, size, size, 0};
  const Tensor y = s[unfold_planes(s.tape, s.constant(x, {1, channels, height, width}), window)];
  REQUIRE(to_string(y.shape) == "[1, 6, 12]");
  for (int c = 0; c < channels; ++c) {
    for (int row = 0; row < height; ++row) {
      for (int column = 0; column < width; ++column) {
        const int patch = row / size * (width / size) + column / size;
        const int place = (c * size + row % size) * size + column % size;
        CHECK(y[patch * 12 + place] == x[(c * height + row) * width + column]);
      }
    }
  }
}

TEST_CASE("unfolding planes and unfolding tokens is the same for the same image") {
  Sheet s;
  const int channels = 2, height = 5, width = 4;
  auto planes = random_values(channels * height * width, 9);
  std::vector<real> tokens(planes.size());
  for (int c = 0; c < channels; ++c) {
    for (int pixel = 0; pixel < height * width; ++pixel) {
      tokens[pixel * channels + c] = planes[c * height * width + pixel];
    }
  }
  const SlidingWindow window{height, width, 3, 2, 1};
  const Tensor a = s[unfold_planes(s.tape, s.constant(planes, {1, channels, height, width}), window)];
  const Tensor b = s[unfold_tokens(s.tape, s.constant(tokens, {1, height * width, channels}), window)];
  REQUIRE(to_string(a.shape) == to_string(b.shape));
  CHECK(std::memcmp(a.data, b.data, a.count() * sizeof(real)) == 0);
}

TEST_CASE("max_pool ignores the padding, and ties go to the first place in row order") {
  Sheet s;
  std::vector<real> x = {-5, -5, -5, -5};  // 2 x 2: all negative, all equal
  const Var v = s.leaf(x, {1, 4, 1});
  const Var y = max_pool(s.tape, v, {2, 2, 3, 2, 1});
  REQUIRE(to_string(s[y].shape) == "[1, 1, 1]");
  CHECK(s[y][0] == -5);
  s.tape.backward(sum(s.tape, y));
  const Tensor d = s.tape.grad(v);
  CHECK(std::vector<real>(d.begin(), d.end()) == std::vector<real>{1, 0, 0, 0});
}

TEST_CASE("max_pool of -infinity alone still has a place for its gradient, and NaN is not lost") {
  const real infinity = std::numeric_limits<real>::infinity(), nan = std::numeric_limits<real>::quiet_NaN();
  Sheet s;
  std::vector<real> x = {-infinity, -infinity, 3, nan};  // two images of 2 x 1
  const Var v = s.leaf(x, {2, 2, 1});
  const Var y = max_pool(s.tape, v, {2, 1, 2, 1, 1});
  REQUIRE(to_string(s[y].shape) == "[2, 6, 1]");
  s.tape.backward(sum(s.tape, y));
  const Tensor d = s.tape.grad(v);
  CHECK(s[y][2] == -infinity);
  CHECK(std::isnan(s[y][8]));
  double total = 0;
  for (const real number : d) total += number;
  CHECK(total == 12);  // every window has given its gradient to a pixel of its image
  CHECK(d[0] + d[1] == 6);
}

TEST_CASE("relu and both forms of GELU have their known values") {
  Sheet s;
  std::vector<real> x = {-20, -2, -1, 0, real(0.5), 1, 2, 20};
  const Var v = s.leaf(x, {8});
  const Tensor r = s[relu(s.tape, v)];
  CHECK(std::vector<real>(r.begin(), r.end()) == std::vector<real>{0, 0, 0, 0, real(0.5), 1, 2, 20});
  // x Phi(x) from tables of the normal distribution; the tanh form from its definition.
  const std::vector<double> exact = {0,           -0.0455002639, -0.158655254, 0,
                                     0.345731230, 0.841344746,   1.95449974,   20};
  const std::vector<double> approximate = {0,           -0.0454023059, -0.158808009, 0,
                                           0.345714010, 0.841191991,   1.95459769,   20};
  CHECK_COMPARISON(compare("gelu", span_of(s[gelu(s.tape, v)]), exact, 4 * kEpsilon + 1e-9));
  CHECK_COMPARISON(compare("gelu_tanh", span_of(s[gelu_tanh(s.tape, v)]), approximate, 4 * kEpsilon + 1e-9));
}

TEST_CASE("the gradient of relu at 0 is 0") {
  Sheet s;
  std::vector<real> x = {real(-0.0), 0, 1};
  const Var v = s.leaf(x, {3});
  s.tape.backward(sum(s.tape, relu(s.tape, v)));
  const Tensor d = s.tape.grad(v);
  CHECK(std::vector<real>(d.begin(), d.end()) == std::vector<real>{0, 0, 1});
}

TEST_CASE("heads split and merged again give back query, key and value") {
  Sheet s;
  auto x = random_values(2 * 5 * 3 * 8, 10);
  const Var qkv = s.constant(x, {2, 5, 24});
  for (int part = 0; part < 3; ++part) {
    const Tensor y = s[merge_heads(s.tape, split_heads(s.tape, qkv, 4, part), 4)];
    for (int row = 0; row < 10; ++row) {
      CHECK(std::memcmp(y.data + row * 8, x.data() + row * 24 + part * 8, 8 * sizeof(real)) == 0);
    }
  }
}

TEST_CASE("a prepended token is token 0, and the mean over the others does not see it") {
  Sheet s;
  auto x = random_values(2 * 3 * 4, 11);
  auto token = random_values(4, 12);
  const Var all = prepend_token(s.tape, s.constant(x, {2, 3, 4}), s.constant(token, {4}));
  const Tensor first = s[select_token(s.tape, all, 0)];
  for (int image = 0; image < 2; ++image) {
    CHECK(std::memcmp(first.data + image * 4, token.data(), 4 * sizeof(real)) == 0);
  }
  const Tensor mean = s[mean_tokens(s.tape, all, 1)];
  const Tensor want = s[mean_tokens(s.tape, s.constant(x, {2, 3, 4}), 0)];
  CHECK(std::memcmp(mean.data, want.data, 8 * sizeof(real)) == 0);
}

TEST_CASE("an op may get the same value twice: both gradients are added") {
  using Pair = Var (*)(Tape&, Var, Var);
  for (const Pair op : {Pair(add), Pair(mul), Pair(matmul), Pair(matmul_transposed)}) {
    const Graph graph = [op](Tape& t, const std::vector<Var>& in) { return op(t, in[0], in[0]); };
    for (const Comparison& c : check_gradients(graph, {{"x", {2, 3, 3}, random_values(18, 13)}})) {
      CHECK_COMPARISON(c);
    }
  }
}

}  // namespace vmoe::testing
