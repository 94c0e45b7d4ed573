#pragma once
// Learning rate over a run: linear warm-up, then half a cosine (Loshchilov and Hutter 2017,
// arXiv:1608.03983).

#include <cstdint>

namespace vmoe {

struct Schedule {
  double peak = 1e-3;        // learning rate after the warm-up, > 0
  double floor = 1e-5;       // at the end, >= 0
  int64_t warmup_steps = 0;  // step i of the warm-up has (i + 1) / warmup_steps of the peak
  int64_t total_steps = 1;

  /// Learning rate of step 0 .. total_steps - 1 (later steps: the floor).
  double at(int64_t step) const;
};

}  // namespace vmoe
