#pragma once
// How the fused ops cut rows into blocks that stay in the cache.

#include <cstdint>

namespace vmoe {

/// Rows that go through a whole branch at a time: enough to make use of a panel of weights in the first-level
/// cache, few enough that their hidden numbers stay in the second.
constexpr int64_t kRowBlock = 132;
/// Numbers that are worth handing to another thread, where threads share one image.
constexpr int64_t kPiece = 1 << 14;

/// The size of equal blocks of at most `most`, for `count` of something: a small last block would read all
/// weights for itself.
inline int64_t even_block(int64_t count, int64_t most) {
  const int64_t blocks = (count + most - 1) / most;
  return blocks ? (count + blocks - 1) / blocks : 0;
}

}  // namespace vmoe
