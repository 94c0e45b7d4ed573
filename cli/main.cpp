// The program `vmoe`.

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/bus_error.h"
#include "cli/program.h"
#include "cli/standard_descriptors.h"

namespace {

// Width of the terminal that standard error is, 80 if it does not say; 0 if it is none.
int terminal_columns() {
  if (isatty(STDERR_FILENO) != 1) return 0;
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

int main(int argc, char** argv) {
  vmoe::open_standard_descriptors();
  vmoe::say_bus_errors();
  signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of `write`, said in one line like a full disk
  std::ios_base::sync_with_stdio(false);  // C's streams would hide an error of reading as the end
  const std::vector<std::string> arguments(argv + (argc > 0), argv + argc);
  vmoe::Streams streams{std::cin, std::cout, std::cerr, terminal_columns()};
  return vmoe::run_program(arguments, streams);
}
