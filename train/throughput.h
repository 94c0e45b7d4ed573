#pragma once
// How much work a second threads do that compute side by side.

#include <functional>
#include <vector>

namespace vmoe {

/// Amount of work per second of `threads` threads together: each calls work(thread), which returns the amount
/// it did, again and again for about `seconds`, at least once. All start at the same time.
double throughput(int threads, double seconds, const std::function<double(int thread)>& work);

/// GFLOP/s of multiply-adds on registers, on all threads at once, over about `seconds`: what the kernels in
/// use could reach if there were nothing but arithmetic.
double measure_peak(int threads, double seconds = 0.05);

}  // namespace vmoe
