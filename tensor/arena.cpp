#include "tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace vmoe {

namespace {

constexpr size_t kSmallestBlock = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t to) {
  return (bytes + to - 1) / to * to;
}

}  // namespace

Arena::~Arena() {
  free_blocks();
}

void* Arena::allocate_bytes(size_t bytes) {
  const size_t rounded = round_up(std::max<size_t>(bytes, 1), kAlignment);
  while (current_ < blocks_.size() && offset_ + rounded > blocks_[current_].size) {
    ++current_;
    offset_ = 0;
  }
  if (current_ == blocks_.size()) add_block(std::max(rounded, std::max(kSmallestBlock, used_ / 2)));
  void* memory = blocks_[current_].data + offset_;
  offset_ += rounded;
  used_ += rounded;
  high_water_ = std::max(high_water_, used_);
  return memory;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    free_blocks();
    add_block(high_water_);
  }
  current_ = offset_ = used_ = 0;
}

void Arena::reserve(size_t bytes) {
  if (bytes > 0 && used_ == 0 && (blocks_.size() != 1 || blocks_[0].size < bytes)) {
    free_blocks();
    add_block(bytes);
  }
}

size_t Arena::capacity() const {
  size_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.size;
  return bytes;
}

void Arena::release(const Mark& mark) {
  current_ = mark.block;
  offset_ = mark.offset;
  used_ = mark.used;
}

// Memory comes from the kernel, not from malloc, so that large blocks can be huge pages and are never given
// back between steps.
void Arena::add_block(size_t bytes) {
  const size_t size = round_up(bytes, bytes >= kHugePage ? kHugePage : size_t{4096});
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (size >= 4 * kHugePage) madvise(data, size, MADV_HUGEPAGE);
#endif
  blocks_.push_back({static_cast<std::byte*>(data), size});
}

void Arena::free_blocks() {
  for (const Block& block : blocks_) munmap(block.data, block.size);
  blocks_.clear();
  current_ = offset_ = 0;
}

}  // namespace vmoe
