#pragma once
// Threads that share the work inside one op (for a single image, where there are no lanes to hand out).

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>

namespace vmoe {

/// `run` cuts nothing itself: the caller names the pieces, the same ones for any number of threads, and
/// threads only decide who does which. So the result is the same bytes for one thread as for many.
class Team {
 public:
  explicit Team(int threads) : threads_(threads) {}

  /// The team of one: `run` is a plain loop.
  static Team& alone();

  int threads() const { return threads_; }

  /// Opens one parallel region: thread 0 runs `leader`, whose calls of `run` are shared with the others.
  /// An exception of the leader or of a piece is thrown again here, after the region.
  void lead(const std::function<void()>& leader);

  /// Calls piece(0) .. piece(pieces - 1), each once, on any thread of the team; returns when all are done.
  template <class Piece>
  void run(int pieces, const Piece& piece) {
    if (threads_ == 1 || pieces <= 1 || !leading_) {
      for (int i = 0; i < pieces; ++i) piece(i);
      return;
    }
    share({pieces, &piece, [](const void* state, int i) { (*static_cast<const Piece*>(state))(i); }});
  }

  /// Cuts 0 .. count - 1 into a few ranges for every thread, which begin at multiples of `unit`, and calls
  /// body(first, size) for each; the whole at once for a team of one. What an element becomes must not depend
  /// on the cut.
  template <class Body>
  void share_range(int64_t count, int64_t unit, const Body& body) {
    if (threads_ == 1) return body(int64_t{0}, count);
    const int64_t units = (count + unit - 1) / unit;
    const int64_t pieces = units < 4 * threads_ ? units : 4 * threads_;
    run(static_cast<int>(pieces), [&](int i) {
      const int64_t first = units * i / pieces * unit, end = units * (i + 1) / pieces * unit;
      body(first, (end < count ? end : count) - first);
    });
  }

 private:
  struct Job {
    int pieces = 0;
    const void* state = nullptr;
    void (*call)(const void* state, int piece) = nullptr;
  };
  void share(const Job& job);
  void work_on(const Job& job);
  void serve();

  int threads_;
  int workers_ = 0;  // threads of the region besides the leader (OpenMP may grant fewer than asked for)
  bool leading_ = false;
  Job job_;
  std::atomic<unsigned> ticket_{0};  // counts jobs; workers wait for it to change
  unsigned first_ticket_ = 0;        // its value when the region opens
  std::atomic<int> next_{0};         // next piece to take
  std::atomic<int> busy_{0};         // workers that have not yet finished the current job
  std::atomic<bool> over_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;  // of the first piece that failed
};

}  // namespace vmoe
