#pragma once
// Messages of errors: one readable line that begins with where.

#include <doctest/doctest.h>

#include <functional>
#include <string>

namespace vmoe::testing {

/// The message of the error of this type that `call` throws; "" if it throws none.
template <class ErrorType>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ErrorType& error) {
    return error.what();
  }
  return "";
}

/// A short line about "here" that says `part`.
inline void check_line(const std::string& line, const std::string& part) {
  CAPTURE(line);
  CHECK(line.starts_with("here: "));
  CHECK(line.find(part) != std::string::npos);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.size() < 400);
}

}  // namespace vmoe::testing
