#pragma once
// Where does the time go? A table of kernels whose entries time those of another one, and add up time and
// work by what was computed. The ops know nothing of it: what runs through the table is attributed, and as
// long as no such table is in use nothing is measured and nothing costs.

#include <string>
#include <vector>

#include "tensor/kernels/kernels.h"

namespace vmoe {

/// Time of one kind of work, summed over all threads.
struct KernelTime {
  std::string name;  // the kernel's; products by what they compute, e.g. "weight gradient"
  double seconds = 0;
  int64_t calls = 0;
  double flops = 0;  // of products, two per multiply-add; 0 for all other kernels
};

/// A table like `base` that times every entry. There is one such table: the last `base` counts.
const Kernels& timed_kernels(const Kernels& base);

/// Starts anew. Here and below no other thread may be computing.
void clear_kernel_times();
/// What was computed since, longest first, without kinds that did not occur.
std::vector<KernelTime> kernel_times();

/// Times a product that does not run through the table (OpenBLAS computes some weight gradients), from here
/// to the end of the scope, if a timed table is in use.
class TimedBlasProduct {
 public:
  TimedBlasProduct(int64_t m, int64_t n, int64_t k);
  ~TimedBlasProduct();
  TimedBlasProduct(const TimedBlasProduct&) = delete;
  TimedBlasProduct& operator=(const TimedBlasProduct&) = delete;

 private:
  double flops_ = 0;
  int64_t start_ = 0;  // 0: not timed
};

}  // namespace vmoe
