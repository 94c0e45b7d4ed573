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
  std::string name;  // the kernel's; products by what they compute, e.g. "gemm dW = dY^T X"
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

/// What is computed outside the table: some weight gradients by OpenBLAS, and products of fewer bits.
enum class Outside {
  blas_weight_gradient,
  narrow_pack,  // of weights, once a step
  narrow_encode,
  narrow_forward,
  narrow_input_gradient,
  narrow_weight_gradient,
  narrow_attention
};

/// Times such work from here to the end of the scope, if a timed table is in use.
class TimedOutside {
 public:
  explicit TimedOutside(Outside work);
  /// A product C [m, n] of k terms each.
  TimedOutside(Outside work, int64_t m, int64_t n, int64_t k);
  ~TimedOutside();
  TimedOutside(const TimedOutside&) = delete;
  TimedOutside& operator=(const TimedOutside&) = delete;

 private:
  Outside work_;
  double flops_ = 0;
  int64_t start_ = 0;  // 0: not timed
};

}  // namespace vmoe
