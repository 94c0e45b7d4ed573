#pragma once
// The memory of one thread's chunk: a bump allocator with a high-water mark.

#include <cstddef>
#include <vector>

#include "tensor/tensor.h"

namespace vmoe {

/// Hands out memory that stays valid until `reset` (or until a Mark taken before it is released). It grows
/// while the first chunk runs; the next `reset` merges what was needed into one block, so that a steady state
/// allocates nothing and touches the same pages again. Not thread-safe: an arena belongs to one thread.
class Arena {
 public:
  static constexpr size_t kAlignment = 64;  // bytes: a cache line, and the widest vector

  Arena() = default;
  explicit Arena(size_t bytes) { reserve(bytes); }
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// `bytes` of uninitialised memory, aligned to kAlignment. Throws std::bad_alloc when the system has none
  /// left.
  void* allocate_bytes(size_t bytes);

  template <class T>
  T* allocate(int64_t count) {
    return static_cast<T*>(allocate_bytes(static_cast<size_t>(count) * sizeof(T)));
  }

  /// An uninitialised tensor.
  Tensor tensor(const Shape& shape) { return {allocate<real>(shape.count()), shape}; }

  /// Forgets everything handed out.
  void reset();
  /// Makes at least `bytes` available without growing, if nothing is in use (else it does nothing).
  void reserve(size_t bytes);

  /// Bytes that it holds, in use or not.
  size_t capacity() const;
  size_t used() const { return used_; }
  size_t high_water() const { return high_water_; }

  /// A place to go back to: everything handed out after `mark` is forgotten by `release`.
  struct Mark {
    size_t block, offset, used;
  };
  Mark mark() const { return {current_, offset_, used_}; }
  void release(const Mark& mark);

 private:
  struct Block {
    std::byte* data;
    size_t size;
  };
  void add_block(size_t bytes);
  void free_blocks();

  std::vector<Block> blocks_;
  size_t current_ = 0;  // block in use
  size_t offset_ = 0;   // first free byte in it
  size_t used_ = 0;
  size_t high_water_ = 0;
};

/// `bytes` up to the next multiple of Arena::kAlignment: where one allocation holds several parts.
constexpr int64_t whole_lines(int64_t bytes) {
  constexpr int64_t line = Arena::kAlignment;
  return (bytes + line - 1) / line * line;
}

}  // namespace vmoe
