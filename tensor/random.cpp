#include "tensor/random.h"

#include <cmath>

#include "tensor/math.h"

namespace vmoe {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

uint32_t Random::bits() {
  if (left_ == 0) {
    block_ = philox(counter_, key_);
    ++counter_[0];
    left_ = 4;
  }
  return block_[4 - left_--];
}

void Random::skip(uint64_t count) {
  counter_[0] += static_cast<uint32_t>(count / 4);
  for (uint64_t i = 0; i < count % 4; ++i) bits();
}

uint32_t Random::below(uint32_t n) {
  const uint32_t floor = -n % n;  // 2^32 mod n: products whose low half is below it would be one too many
  uint64_t product;
  do {
    product = uint64_t{bits()} * n;
  } while (static_cast<uint32_t>(product) < floor);
  return static_cast<uint32_t>(product >> 32);
}

double Random::normal() {
  const double radius = std::sqrt(-2 * math::log((bits() + 0.5) * 0x1p-32));
  return radius * math::cos(2 * math::kPi * uniform());
}

double Random::gamma(double shape) {
  if (shape < 1) {  // Gamma(a) = Gamma(a + 1) * U^(1/a)
    const double power = math::pow((bits() + 0.5) * 0x1p-32, 1 / shape);
    return gamma(shape + 1) * power;
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), v = 1 + c * x;
    if (v <= 0) continue;
    const double cube = v * v * v;
    if (math::log((bits() + 0.5) * 0x1p-32) < 0.5 * x * x + d - d * cube + d * math::log(cube))
      return d * cube;
  }
}

double Random::beta(double a, double b) {
  const double x = gamma(a), y = gamma(b);
  return x / (x + y);
}

}  // namespace vmoe
