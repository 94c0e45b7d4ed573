#pragma once
// Ctrl-C, for commands that have something to save first.

#include <csignal>

namespace vmoe {

/// While one exists, the first SIGINT or SIGTERM sets a flag; the second ends the program as usual. Commands
/// without one end at the first. One at a time.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool interrupted() const;

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace vmoe
