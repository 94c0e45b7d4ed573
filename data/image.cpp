#include "data/image.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace vmoe {

namespace {

std::mutex large_image_turn;

}  // namespace

void* ImageScratch::allocate_bytes(size_t bytes) {
  void* memory = try_allocate(bytes);
  if (memory == nullptr) {
    throw BudgetError("the image needs more than " + std::to_string(budget_ >> 20) +
                      " MiB of memory; scale it down");
  }
  return memory;
}

void* ImageScratch::try_allocate(size_t bytes) {
  if (bytes > budget_ || arena_->used() + bytes > budget_) return nullptr;
  if (arena_->used() + bytes > kOwnBytes && !turn_.owns_lock()) {
    turn_ = std::unique_lock<std::mutex>(large_image_turn);
  }
  before_last_ = arena_->mark();
  return last_ = arena_->allocate_bytes(bytes);
}

void* ImageScratch::try_grow(void* memory, size_t old_bytes, size_t bytes) {
  if (memory == nullptr) return try_allocate(bytes);
  if (memory == last_) arena_->release(before_last_);
  void* grown = try_allocate(bytes);
  if (grown != nullptr && grown != memory) std::memmove(grown, memory, std::min(old_bytes, bytes));
  return grown;
}

void ImageScratch::give_back(void* memory) {
  if (memory != nullptr && memory == last_) rewind(before_last_);
}

void ImageScratch::reset() {
  last_ = nullptr;
  if (turn_.owns_lock()) {
    most_ = high_water();
    arena_.emplace();
    turn_.unlock();
  } else {
    arena_->reset();
  }
}

void ImageScratch::reserve(size_t bytes) {
  arena_->reserve(std::min({bytes, kOwnBytes, budget_}));
}

void ImageScratch::rewind(const Arena::Mark& mark) {
  arena_->release(mark);
  last_ = nullptr;
}

ImageScratch::Frame::~Frame() {
  if (mark_.used == 0) {
    scratch_.reset();
  } else {
    scratch_.rewind(mark_);
  }
}

}  // namespace vmoe
