#pragma once
// How threads of a region wait for each other: what they wait for is mostly microseconds away, so they spin
// at first; but where processors are shared with other work it may be a time slice away, and a thread that
// sleeps meanwhile leaves its processor to whoever has work, and is put before those that have used theirs up
// when it is woken.

#include <atomic>
#include <thread>

namespace vmoe {

/// Returns when `value` is no longer `old`. Whoever changes it calls its notify_all(). Before it sleeps it
/// offers its processor `yields` times to others without sleeping, for waits that come in quick succession.
template <class T>
void wait_while(const std::atomic<T>& value, T old, int yields = 0) {
  constexpr int kSpins = 2000;  // some tens of microseconds
  for (int i = 0; i < kSpins; ++i) {
    if (value != old) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  for (int i = 0; i < yields && value == old; ++i) std::this_thread::yield();
  value.wait(old);
}

/// All threads of a region meet here, any number of times.
class Meeting {
 public:
  /// Returns when all `threads` threads have called it.
  void wait_for_all(int threads) {
    const unsigned round = round_;
    if (++arrived_ < threads) return wait_while(round_, round);
    arrived_ = 0;
    ++round_;
    round_.notify_all();
  }

 private:
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> round_{0};
};

}  // namespace vmoe
