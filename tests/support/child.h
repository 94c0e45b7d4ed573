#pragma once
// A case in a process of its own.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace vmoe::testing {

/// How a child ends that does `work` with the signals' default actions; its exit code is what `work` says.
inline int status_of(const std::function<bool()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, SIG_DFL);  // not the test framework's handlers
    signal(SIGTERM, SIG_DFL);
    _exit(work() ? 0 : 1);
  }
  REQUIRE(child > 0);
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

inline bool said_yes(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace vmoe::testing
