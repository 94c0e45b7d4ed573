#include "cli/interrupt.h"

namespace vmoe {
namespace {

volatile std::sig_atomic_t signal_arrived = 0;

void remember(int) {
  signal_arrived = 1;
}

}  // namespace

InterruptWatch::InterruptWatch() {
  signal_arrived = 0;
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags =
      SA_RESTART | static_cast<int>(SA_RESETHAND);  // reads and writes go on; the second one kills
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

InterruptWatch::~InterruptWatch() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

bool InterruptWatch::interrupted() const {
  return signal_arrived != 0;
}

}  // namespace vmoe
