#include "cli/bus_error.h"

#include <signal.h>
#include <unistd.h>

#include "tensor/error.h"

namespace vmoe {

namespace {

// Only what a signal's handler may call.
void say_and_end(int) {
  constexpr char kLine[] =
      "vmoe: a data file that is being read became shorter or unreadable; put it back (training goes on from "
      "its last checkpoint with --resume)\n";
  (void)!write(STDERR_FILENO, kLine, sizeof kLine - 1);
  _exit(static_cast<int>(ExitCode::io));
}

}  // namespace

void say_bus_errors() {
  signal(SIGBUS, say_and_end);
}

}  // namespace vmoe
