#include "train/throughput.h"

#include <omp.h>

#include <algorithm>
#include <chrono>

#include "tensor/kernels/kernels.h"

namespace vmoe {

double throughput(int threads, double seconds, const std::function<double(int thread)>& work) {
  using Clock = std::chrono::steady_clock;
  double rate = 0;
#pragma omp parallel num_threads(threads) reduction(+ : rate)
  {
    flush_denormals();
    double amount = 0, elapsed = 0;
#pragma omp barrier
    const auto start = Clock::now();
    do {
      amount += work(omp_get_thread_num());
      elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    } while (elapsed < seconds);
    rate += amount / elapsed;
  }
  return rate;
}

double measure_peak(int threads, double seconds) {
  constexpr int64_t kRounds = 20000;  // some 0.1 ms between two looks at the clock
  return 1e-9 * throughput(threads, seconds, [](int) {
           real total = 0;
           const int64_t flops = kernels().multiply_adds(kRounds, real{0.999f}, real{0.001f}, &total);
           // The total is a small number; that it is asked for keeps it from being left out.
           return total < real{1e30f} ? static_cast<double>(flops) : 0;
         });
}

}  // namespace vmoe
