#pragma once
// The program `vmoe` as a function: commands, their errors and exit codes. Only `main` exits.

#include <iosfwd>
#include <span>
#include <string>

#include "cli/flags.h"

namespace vmoe {

/// Where a command reads and writes. Results go to `out`, everything else that is for people to `err`.
struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  int columns = 0;  // of the terminal that err is, where progress bars are drawn; 0: it is none
};

/// Says what went wrong: "vmoe: LINE" on `err`, one line whatever the text holds (a file's name may hold
/// anything).
void complain(std::ostream& err, std::string line);
/// The same of what a command goes on in spite of: "vmoe: warning: LINE".
void warn(std::ostream& err, const std::string& line);

/// Runs `vmoe ARGUMENTS` and returns its exit code (see ExitCode). Any error ends as one line on `err`.
int run_program(Arguments arguments, Streams& streams);

}  // namespace vmoe
