// The program `vmoe`.

#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "cli/program.h"

int main(int argc, char** argv) {
  signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of `write`, said in one line like a full disk
  const std::vector<std::string> arguments(argv + (argc > 0), argv + argc);
  vmoe::Streams streams{std::cin, std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
  return vmoe::run_program(arguments, streams);
}
