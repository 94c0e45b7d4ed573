#pragma once
// Memory for the time of a scope.

#include "tensor/arena.h"

namespace vmoe {

/// Memory of the arena for the time of a scope.
class Scratch {
 public:
  explicit Scratch(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~Scratch() { arena_.release(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* allocate(int64_t count) {
    return arena_.allocate<T>(count);
  }
  real* numbers(int64_t count) { return allocate<real>(count); }

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace vmoe
