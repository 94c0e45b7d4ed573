#pragma once
// Ctrl-C, for commands that have something to save first.

#include <csignal>

namespace vmoe {

/// While one exists, the first SIGINT or SIGTERM sets a flag; the second, of either kind, ends the program.
/// Commands without one end at the first. A signal that the program was started to ignore (SIGINT, by a
/// script's background job) stays ignored. One at a time.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool interrupted() const;

 private:
  struct sigaction old_[2];  // of SIGINT, SIGTERM
};

}  // namespace vmoe
