#pragma once
// Every error of vmoe.cpp is an exception with one readable line: what failed, where, what would be right.
// Libraries throw; only `main` catches and exits.

#include <stdexcept>
#include <string>

namespace vmoe {

/// Exit codes of the program `vmoe`.
enum class ExitCode { done = 0, internal = 1, usage = 2, input = 3, io = 4, interrupted = 130 };

/// Base of all errors. `code()` is what the program exits with.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& line) : std::runtime_error(line), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Wrong usage: a flag, a recipe key, a combination that cannot work.
struct UsageError : Error {
  explicit UsageError(const std::string& line) : Error(ExitCode::usage, line) {}
};

/// Another process is writing where this one would.
struct BusyError : UsageError {
  explicit BusyError(const std::string& line) : UsageError(line) {}
};

/// A run that was begun cannot go on as it is asked to.
struct ResumeError : UsageError {
  explicit ResumeError(const std::string& line) : UsageError("--resume: " + line) {}
};

/// A bad input file: malformed, truncated, contradictory.
struct InputError : Error {
  explicit InputError(const std::string& line) : Error(ExitCode::input, line) {}
};

/// The system refused to read or write.
struct IoError : Error {
  explicit IoError(const std::string& line) : Error(ExitCode::io, line) {}
};

/// SIGINT or SIGTERM arrived; the last checkpoint is whole.
struct Interrupted : Error {
  explicit Interrupted(const std::string& line) : Error(ExitCode::interrupted, line) {}
};

/// Training left the numbers: a loss or a gradient that is not finite. Another recipe may do better.
struct DivergedError : Error {
  explicit DivergedError(const std::string& line) : Error(ExitCode::internal, line) {}
};

/// A bug of ours: shapes that cannot meet, a broken invariant.
struct ShapeError : Error {
  explicit ShapeError(const std::string& line) : Error(ExitCode::internal, line) {}
};

}  // namespace vmoe
