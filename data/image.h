#pragma once
// What an image is, and where its bytes live while a thread works on it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "tensor/arena.h"
#include "tensor/error.h"

namespace vmoe {

/// Pixels owned by somebody else: 8 bit, rows from the top, channels interleaved (H x W x C), C = 1 (grey) or
/// 3 (RGB).
struct ImageView {
  const uint8_t* pixels = nullptr;
  int width = 0, height = 0, channels = 0;

  int64_t row_bytes() const { return int64_t{width} * channels; }
  int64_t bytes() const { return row_bytes() * height; }
  const uint8_t* row(int64_t y) const { return pixels + y * row_bytes(); }
};

/// A scratch's budget is spent. Whoever knows the image's name adds it, by `naming_image`.
struct BudgetError : InputError {
  using InputError::InputError;
};

/// What `call` returns. A BudgetError that it throws becomes an InputError that begins with `name()`, which
/// is asked only then.
template <class Name, class Call>
decltype(auto) naming_image(const Name& name, const Call& call) {
  try {
    return call();
  } catch (const BudgetError& error) {
    throw InputError(name() + ": " + error.what());
  }
}

/// The bytes of one thread while it reads, decodes and resizes images: a bump allocator with a budget. Once
/// it has grown to the largest image that kOwnBytes hold, it asks the system for nothing more.
///
/// What the budget bounds is the whole process: beyond kOwnBytes a scratch takes a turn that only one thread
/// can have at a time, keeps it until its memory is forgotten, and then gives the memory back. So T threads
/// need at most T * kOwnBytes + budget, and an image that one thread can decode never fails because of
/// another. Not thread-safe: a scratch belongs to one thread.
class ImageScratch {
 public:
  static constexpr size_t kBudget = size_t{416} << 20;  // an RGB JPEG of 64 Mi pixels, planes and result
  static constexpr size_t kOwnBytes = size_t{32} << 20;

  explicit ImageScratch(size_t budget = kBudget) : budget_(budget) { arena_.emplace(); }
  ImageScratch(const ImageScratch&) = delete;
  ImageScratch& operator=(const ImageScratch&) = delete;

  /// `bytes` of uninitialised memory, aligned to 64. Throws BudgetError when the budget is spent.
  void* allocate_bytes(size_t bytes);
  template <class T>
  T* allocate(int64_t count) {
    return static_cast<T*>(allocate_bytes(static_cast<size_t>(count) * sizeof(T)));
  }

  /// malloc, realloc and free for C libraries: null when the budget is spent. Only what was handed out last
  /// can really be freed or grow in place; the rest waits for `reset`.
  void* try_allocate(size_t bytes);
  void* try_grow(void* memory, size_t old_bytes, size_t bytes);
  void give_back(void* memory);

  /// Forgets everything handed out.
  void reset();
  /// Makes `bytes` available (at most kOwnBytes) without growing. The scratch must be empty.
  void reserve(size_t bytes);

  size_t used() const { return arena_->used(); }
  /// The most that was in use at once, of large images, too.
  size_t high_water() const { return std::max(most_, arena_->high_water()); }
  /// Of it, what every thread may have at a time, and what one thread at a time has beyond that.
  size_t own_high_water() const { return std::min(high_water(), kOwnBytes); }
  size_t shared_high_water() const { return high_water() - own_high_water(); }
  size_t budget() const { return budget_; }

  /// A place to go back to. `rewind` leaves the forgotten bytes readable until the next allocation, so that a
  /// result can be moved down over what is no longer needed; a Frame forgets everything from its construction
  /// on.
  Arena::Mark mark() const { return arena_->mark(); }
  void rewind(const Arena::Mark& mark);

  class Frame {
   public:
    explicit Frame(ImageScratch& scratch) : scratch_(scratch), mark_(scratch.mark()) {}
    ~Frame();
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

   private:
    ImageScratch& scratch_;
    Arena::Mark mark_;
  };

 private:
  size_t budget_;
  std::optional<Arena> arena_;
  size_t most_ = 0;       // in use at once in arenas that were given back
  void* last_ = nullptr;  // what was handed out last, and the place before it
  Arena::Mark before_last_{};
  std::unique_lock<std::mutex> turn_;  // held while more than kOwnBytes are in use
};

}  // namespace vmoe
