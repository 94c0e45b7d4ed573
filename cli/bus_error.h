#pragma once
// A mapped data file that can no longer be read.

namespace vmoe {

/// Ends the program with one line and ExitCode::io, where a page of a mapped file cannot be had: the file
/// became shorter, or its disk failed. The system says so by a signal (SIGBUS), which would end it without a
/// word.
void say_bus_errors();

}  // namespace vmoe
