#include "cli/interrupt.h"

namespace vmoe {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM};

volatile std::sig_atomic_t signal_arrived = 0;
bool taken[2];  // by a watch; written while no handler is installed

void set_action(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // reads and writes go on
  sigemptyset(&action.sa_mask);
  for (const int other : kSignals)
    sigaddset(&action.sa_mask, other);  // the second one comes after `remember`
  sigaction(number, &action, nullptr);
}

void remember(int) {
  signal_arrived = 1;
  for (int i = 0; i < 2; ++i) {
    if (taken[i]) set_action(kSignals[i], SIG_DFL);
  }
}

}  // namespace

InterruptWatch::InterruptWatch() {
  signal_arrived = 0;
  for (int i = 0; i < 2; ++i) {
    sigaction(kSignals[i], nullptr, &old_[i]);
    taken[i] = old_[i].sa_handler != SIG_IGN;
  }
  for (int i = 0; i < 2; ++i) {
    if (taken[i]) set_action(kSignals[i], remember);
  }
}

InterruptWatch::~InterruptWatch() {
  for (int i = 0; i < 2; ++i) {
    if (taken[i]) sigaction(kSignals[i], &old_[i], nullptr);
  }
}

bool InterruptWatch::interrupted() const {
  return signal_arrived != 0;
}

}  // namespace vmoe
