// Attention whose own products have fewer bits.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "autograd/ops.h"
#include "tensor/kernels/narrow_codes.h"
#include "tensor/random.h"

using namespace vmoe;

namespace {

struct Sample {
  int64_t images, tokens;
  int heads;
  int64_t size;  // of a head
  std::vector<real> qkv;

  Sample(int64_t images, int64_t tokens, int heads, int64_t size)
      : images(images), tokens(tokens), heads(heads), size(size), qkv(images * tokens * 3 * width()) {
    Random random(5, Stream::test, 0, static_cast<uint32_t>(tokens * 100 + size));
    for (real& value : qkv) value = static_cast<real>(random.uniform(-2, 2));
  }
  int64_t width() const { return heads * size; }
  real at(int64_t image, int64_t token, int part, int head, int64_t i) const {
    return qkv[(image * tokens + token) * 3 * width() + part * width() + head * size + i];
  }
};

std::vector<real> attention_by(const NarrowKernels* narrow, const Sample& s, int threads) {
  ParameterStore store;
  const PackedWeights packed(store, kernels(), false, {.attention = narrow});
  Arena arena;
  Tape tape(arena, store, packed);
  Team team(threads);
  tape.set_team(team);
  std::vector<real> qkv = s.qkv, y;
  team.lead([&] {
    const Var x = tape.constant({qkv.data(), {s.images, s.tokens, 3 * s.width()}});
    const Tensor result = tape.value(attention(tape, x, s.heads));
    y.assign(result.begin(), result.end());
  });
  return y;
}

double rounded(double x) {
  return bf16_value(bf16_code(static_cast<float>(x)));
}

// The head's part of one token [size], all factors rounded to bfloat16, everything else in double.
std::vector<double> rounded_attention(const Sample& s, int64_t image, int64_t token, int head) {
  std::vector<double> p(s.tokens), y(s.size);
  double most = -INFINITY, sum = 0;
  for (int64_t t = 0; t < s.tokens; ++t) {
    for (int64_t i = 0; i < s.size; ++i)
      p[t] += rounded(s.at(image, token, 0, head, i)) * rounded(s.at(image, t, 1, head, i));
    p[t] /= std::sqrt(static_cast<double>(s.size));
    most = std::max(most, p[t]);
  }
  for (double& score : p) sum += score = std::exp(score - most);
  for (int64_t t = 0; t < s.tokens; ++t) {
    for (int64_t i = 0; i < s.size; ++i) y[i] += rounded(p[t] / sum) * rounded(s.at(image, t, 2, head, i));
  }
  return y;
}

bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = {{1, 197, 3, 64}, {3, 50, 2, 32}, {2, 1, 1, 33}, {2, 17, 4, 40}};
  return all;
}

}  // namespace

TEST_CASE("attention by fewer bits is that of rounded queries, keys, values and probabilities") {
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (!table->trains()) continue;
    for (const Sample& s : samples()) {
      CAPTURE(table->name);
      CAPTURE(s.tokens);
      const std::vector<real> y = attention_by(table, s, 1);
      // A probability at the middle between two codes may go to the other one: half a step of 2^-8, of
      // numbers that add up to 1, times values of up to 2.
      constexpr double kBound = 2.0 / 256;
      double worst = 0;
      for (int64_t b = 0; b < s.images; ++b) {
        for (int64_t t = 0; t < s.tokens; ++t) {
          for (int h = 0; h < s.heads; ++h) {
            const std::vector<double> want = rounded_attention(s, b, t, h);
            for (int64_t i = 0; i < s.size; ++i) {
              const double error = y[((b * s.tokens + t) * s.heads + h) * s.size + i] - want[i];
              worst = std::max(worst, std::isnan(error) ? INFINITY : std::fabs(error));
            }
          }
        }
      }
      CHECK(worst <= kBound);
      CHECK(!same_bytes(y, attention_by(nullptr, s, 1)));
    }
  }
}

TEST_CASE("attention by fewer bits is the same bytes for any number of threads") {
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (!table->trains()) continue;
    for (const Sample& s : samples()) {
      const std::vector<real> alone = attention_by(table, s, 1);
      for (const int threads : {2, 3}) CHECK(same_bytes(attention_by(table, s, threads), alone));
    }
  }
}

TEST_CASE("small heads stay in fp32, where coding them would take longer than it saves") {
  const Sample s(2, 49, 4, 16);
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (table->trains()) CHECK(same_bytes(attention_by(table, s, 1), attention_by(nullptr, s, 1)));
  }
}
