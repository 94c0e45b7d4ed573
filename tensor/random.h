#pragma once
// Counter-based random numbers: a number is a function of (seed, stream, layer, epoch, position, index).
// There is no state to save, and no order of threads that could matter. Source: Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox 4x32-10).

#include <array>
#include <cstdint>

namespace vmoe {

/// Ten rounds of Philox on a 128-bit counter with a 64-bit key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// What a random number is for. Two streams never share a number.
enum class Stream : uint16_t {
  init,
  shuffle,
  split,
  crop,
  flip,
  mix,
  dropout,
  drop_path,
  cluster,
  synthetic,
  bench,
  test,
  rand_augment,
  erase,
  upcycle,
};

/// The random numbers of one place, drawn one after the other from index 0.
/// `position` is the place of an image in its epoch (or any other item), `layer` tells apart layers of a
/// model.
class Random {
 public:
  Random(uint64_t seed, Stream stream, uint32_t epoch = 0, uint32_t position = 0, uint16_t layer = 0)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
        counter_{0, position, epoch, static_cast<uint32_t>(stream) << 16 | layer} {}

  /// 32 uniform bits.
  uint32_t bits();
  /// As if `count` times 32 bits had been drawn. Only before anything was.
  void skip(uint64_t count);
  /// Uniform in [0, 1), a multiple of 2^-32.
  double uniform() { return bits() * 0x1p-32; }
  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in 0 .. n-1, n >= 1 (multiply-shift with rejection: no bias).
  uint32_t below(uint32_t n);
  /// Standard normal (Box and Muller 1958); uses two draws.
  double normal();
  /// Gamma(shape, 1), shape > 0 (Marsaglia and Tsang 2000).
  double gamma(double shape);
  /// Beta(a, b), a, b > 0.
  double beta(double a, double b);

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int left_ = 0;  // numbers of block_ that were not handed out yet
};

/// Puts 0 .. n-1 into a random order (Fisher and Yates).
template <class Index>
void shuffle(Index* items, uint32_t n, Random random) {
  for (uint32_t i = n; i > 1; --i) {
    const uint32_t j = random.below(i);
    const Index last = items[i - 1];
    items[i - 1] = items[j];
    items[j] = last;
  }
}

}  // namespace vmoe
