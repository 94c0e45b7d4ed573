#pragma once
// Lanes: a batch is cut into a fixed number of lanes, a lane into chunks of a few images. A lane runs from
// start to end on one thread; what lanes produce is added in lane order. The cut is part of a run's
// configuration and never depends on threads, so a step gives the same bytes for any number of them.

#include <atomic>
#include <cstdint>
#include <exception>

#include "tensor/waiting.h"

namespace vmoe {

/// How `images` images are cut. Images 2j and 2j + 1 always lie in one chunk (mixup and cutmix pair them).
struct LanePlan {
  int64_t images;
  int lanes;  // at least 1, at most one per pair of images
  int chunk;  // images in a chunk; even

  /// First image of a lane; first(lanes) == images.
  int64_t first(int lane) const;
};

/// Cuts a batch of >= 1 images into at most `lanes` lanes, and those into chunks of about 384 rows of tokens:
/// enough rows for a product to run near its peak, few enough that a chunk's activations stay in the cache.
LanePlan plan_lanes(int64_t images, int lanes, int64_t tokens);

/// Hands out lanes in order to the threads of a parallel region, and lets them finish in order.
class LaneQueue {
 public:
  explicit LaneQueue(int lanes) : lanes_(lanes) {}

  /// Runs work(lane) on the calling thread for every lane it can get, and after each finish(lane), which
  /// waits until all earlier lanes have finished. Called by every thread of the region. An exception stops
  /// all threads and is thrown again by `rethrow`, after the region.
  template <class Work, class Finish>
  void run(const Work& work, const Finish& finish) {
    try {
      for (int lane = next_++; lane < lanes_ && !failed_; lane = next_++) {
        work(lane);
        for (int turn; (turn = turn_) != lane;) {
          if (failed_) return;
          wait_while(turn_, turn);
        }
        finish(lane);
        ++turn_;
        turn_.notify_all();
      }
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
      turn_ = kNobody;  // wakes those that wait; a thread that finishes now makes it nobody's turn again
      turn_.notify_all();
    }
  }

  bool failed() const { return failed_; }
  void rethrow() const {
    if (failed_) std::rethrow_exception(error_);
  }

 private:
  static constexpr int kNobody = 1 << 30;

  int lanes_;
  std::atomic<int> next_{0};
  std::atomic<int> turn_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

}  // namespace vmoe
