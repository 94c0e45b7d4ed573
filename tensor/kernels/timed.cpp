#include "tensor/kernels/timed.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>

namespace vmoe {

namespace {

// What a product computes, as its arguments tell.
enum Product { forward, input_gradient, weight_gradient, attention, attention_turned, kProducts };
constexpr const char* kProductNames[kProducts] = {
    "gemm Y = X W^T", "gemm dX = dY W", "gemm dW = dY^T X", "gemm attention", "gemm attention dV dK",
};

// In the order of `Outside`.
constexpr std::array kOutsideNames = {"OpenBLAS dW = dY^T X", "narrow pack",      "narrow encode",
                                      "narrow Y = X W^T",     "narrow dX = dY W", "narrow dW = dY^T X",
                                      "narrow attention"};
static_assert(kOutsideNames.size() == static_cast<size_t>(Outside::narrow_attention) + 1);

// An entry of the table: its name, and how it is replaced by a timed one.
struct Entry {
  const char* name;
  void (*replace)(Kernels& table, int slot);
};
template <auto Member>
constexpr Entry timed(const char* name);

// One line an entry; those of `gemm` count by product, in the slots after the last entry, and behind them
// stands what is computed outside.
const std::array kEntries = {
    timed<&Kernels::pack>("pack"),
    timed<&Kernels::gemm>("gemm"),
    timed<&Kernels::add>("add"),
    timed<&Kernels::axpy>("axpy"),
    timed<&Kernels::scale>("scale"),
    timed<&Kernels::mul>("mul"),
    timed<&Kernels::add_rows>("add_rows"),
    timed<&Kernels::dot>("dot"),
    timed<&Kernels::sum_of_squares>("sum_of_squares"),
    timed<&Kernels::layer_norm>("layer_norm"),
    timed<&Kernels::layer_norm_backward>("layer_norm_backward"),
    timed<&Kernels::relu>("relu"),
    timed<&Kernels::relu_backward>("relu_backward"),
    timed<&Kernels::gelu>("gelu"),
    timed<&Kernels::gelu_backward>("gelu_backward"),
    timed<&Kernels::gelu_tanh>("gelu_tanh"),
    timed<&Kernels::gelu_tanh_backward>("gelu_tanh_backward"),
    timed<&Kernels::exponential>("exponential"),
    timed<&Kernels::hyperbolic_tangent>("hyperbolic_tangent"),
    timed<&Kernels::normal_distribution>("normal_distribution"),
    timed<&Kernels::softmax>("softmax"),
    timed<&Kernels::softmax_backward>("softmax_backward"),
    timed<&Kernels::adamw>("adamw"),
    timed<&Kernels::multiply_adds>("multiply_adds"),
};
constexpr int kFirstOutside = static_cast<int>(kEntries.size()) + kProducts;
constexpr int kSlots = kFirstOutside + static_cast<int>(kOutsideNames.size());
static_assert(sizeof(Kernels) == offsetof(Kernels, pack) + kEntries.size() * sizeof(void (*)()),
              "an entry of Kernels has no line above, or something else stands behind `pack`");

std::string name_of_slot(int slot) {
  const int entries = static_cast<int>(kEntries.size());
  if (slot >= kFirstOutside) return kOutsideNames[slot - kFirstOutside];
  return slot < entries ? kEntries[slot].name : kProductNames[slot - entries];
}

// --- Sums --------------------------------------------------------------------------------------------------

struct Sum {
  std::atomic<int64_t> nanoseconds{0}, calls{0};
  std::atomic<double> flops{0};

  void add(int64_t time, int64_t times, double work) {
    nanoseconds.store(nanoseconds.load(std::memory_order_relaxed) + time, std::memory_order_relaxed);
    calls.store(calls.load(std::memory_order_relaxed) + times, std::memory_order_relaxed);
    flops.store(flops.load(std::memory_order_relaxed) + work, std::memory_order_relaxed);
  }
};
using Sums = std::array<Sum, kSlots>;

void add_to(Sums& total, const Sums& part) {
  for (int i = 0; i < kSlots; ++i) total[i].add(part[i].nanoseconds, part[i].calls, part[i].flops);
}

void clear(Sums& sums) {
  for (Sum& sum : sums) {
    sum.nanoseconds = 0;
    sum.calls = 0;
    sum.flops = 0;
  }
}

class ThreadSums;

// The sums of all threads that there are, and of those that ended.
struct Registry {
  std::mutex mutex;
  std::vector<ThreadSums*> threads;
  Sums ended;

  // Never destroyed: threads may end after the program's statics.
  static Registry& get() {
    static Registry& registry = *new Registry;
    return registry;
  }
};

// A thread writes its own sums without locks; only while it computes nothing they are read.
class ThreadSums {
 public:
  ThreadSums() {
    const std::lock_guard lock(Registry::get().mutex);
    Registry::get().threads.push_back(this);
  }
  ~ThreadSums() {
    const std::lock_guard lock(Registry::get().mutex);
    add_to(Registry::get().ended, sums);
    std::erase(Registry::get().threads, this);
  }

  Sums sums;
  const real* last_packed = nullptr;  // where this thread packed a factor last
};

ThreadSums& mine() {
  thread_local ThreadSums sums;
  return sums;
}

int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

// --- Timed entries -----------------------------------------------------------------------------------------

Kernels base, table;

// A factor that its own thread packed just before is used once: a gradient of a weight or one of attention's
// products. All others are weights, which are packed once a step. Layers have a bias; the gradient of their
// input has none. A weight's gradient is one block of memory, a head's stands between those of the others.
Product product_of(const Gemm& g, const real* last_packed) {
  if (g.b != last_packed) return g.bias ? forward : input_gradient;
  if (g.a_row == 1 && g.a_column != 1) return g.c_row == g.n ? weight_gradient : attention_turned;
  return attention;
}

struct Work {
  int slot;
  double flops = 0;
};

template <class... A>
Work work_of(int slot, A...) {
  return {slot};
}

Work work_of(int, const Gemm& g) {
  return {static_cast<int>(kEntries.size()) + product_of(g, mine().last_packed),
          2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k)};
}

Work work_of(int slot, int64_t, int64_t, const real*, int64_t, int64_t, real* packed) {
  mine().last_packed = packed;
  return {slot};
}

template <auto Member>
struct Timed;
template <class Result, class... A, Result (*Kernels::*Member)(A...)>
struct Timed<Member> {
  static inline int slot = 0;

  static Result call(A... arguments) {
    const Work work = work_of(slot, arguments...);
    struct Stopwatch {
      Sum& sum;
      double flops;
      int64_t start;
      ~Stopwatch() { sum.add(now() - start, 1, flops); }
    } const stopwatch{mine().sums[work.slot], work.flops, now()};
    return (base.*Member)(arguments...);
  }
};

template <auto Member>
constexpr Entry timed(const char* name) {
  return {name, [](Kernels& kernels, int slot) {
            Timed<Member>::slot = slot;
            kernels.*Member = Timed<Member>::call;
          }};
}

}  // namespace

const Kernels& timed_kernels(const Kernels& of) {
  if (&of == &table) return table;
  base = of;
  table = of;
  for (int i = 0; i < static_cast<int>(kEntries.size()); ++i) kEntries[i].replace(table, i);
  return table;
}

void clear_kernel_times() {
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  clear(registry.ended);
  for (ThreadSums* thread : registry.threads) {
    clear(thread->sums);
    thread->last_packed = nullptr;  // a weight of the time before, perhaps
  }
}

std::vector<KernelTime> kernel_times() {
  Registry& registry = Registry::get();
  const std::lock_guard lock(registry.mutex);
  Sums total;
  add_to(total, registry.ended);
  for (const ThreadSums* thread : registry.threads) add_to(total, thread->sums);
  std::vector<KernelTime> times;
  for (int i = 0; i < kSlots; ++i) {
    if (total[i].calls == 0) continue;
    times.push_back(
        {name_of_slot(i), 1e-9 * static_cast<double>(total[i].nanoseconds), total[i].calls, total[i].flops});
  }
  std::stable_sort(times.begin(), times.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.seconds > b.seconds; });
  return times;
}

TimedOutside::TimedOutside(Outside work) : work_(work), start_(&kernels() == &table ? now() : 0) {}

TimedOutside::TimedOutside(Outside work, int64_t m, int64_t n, int64_t k) : TimedOutside(work) {
  flops_ = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

TimedOutside::~TimedOutside() {
  if (start_ != 0) mine().sums[kFirstOutside + static_cast<int>(work_)].add(now() - start_, 1, flops_);
}

}  // namespace vmoe
