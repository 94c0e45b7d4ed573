#include "data/inflate.h"

#include <new>

namespace vmoe {

namespace {

void* scratch_allocate(void* scratch, unsigned count, unsigned size) {
  return static_cast<ImageScratch*>(scratch)->try_allocate(size_t{count} * size);
}

void scratch_free(void* scratch, void* memory) {
  static_cast<ImageScratch*>(scratch)->give_back(memory);
}

}  // namespace

Inflater::Inflater(int window_bits, ImageScratch* scratch) {
  if (scratch != nullptr) {
    stream_.zalloc = scratch_allocate;
    stream_.zfree = scratch_free;
    stream_.opaque = scratch;
  }
  if (inflateInit2(&stream_, window_bits) != Z_OK) throw std::bad_alloc();
}

}  // namespace vmoe
