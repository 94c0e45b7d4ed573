#pragma once
// Counts calls of the malloc family over all threads of a test program. Linking allocation_count.cpp is
// enough: it stands before the C library's malloc. Memory from mmap (arenas) does not count.

#include <cstdint>

namespace vmoe::testing {

/// False where malloc cannot be replaced (under AddressSanitizer or ThreadSanitizer, or without glibc): the
/// test then says so with MESSAGE and checks nothing.
bool allocations_are_counted();

/// Calls of malloc, calloc, realloc, aligned_alloc, posix_memalign and memalign so far (operator new ends in
/// them).
int64_t allocation_count();

}  // namespace vmoe::testing
