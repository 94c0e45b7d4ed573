#pragma once
// Runs one test case of this program again in a process of its own, with other environment variables: for
// what is decided once a process, such as which library is loaded.

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace vmoe::testing {

struct SecondRun {
  int status;          // of the process; 0 if its test case passed
  std::string output;  // standard output and standard error
};

/// `environment`: "NAME='value' ...". The test case may be one that is otherwise skipped.
inline SecondRun run_again(const std::string& environment, const std::string& test_case) {
  std::error_code ignored;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  const std::string command =
      environment + " '" + program + "' --no-skip --test-case='" + test_case + "' 2>&1";
  SecondRun result{-1, ""};
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return result;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) result.output.append(buffer, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

}  // namespace vmoe::testing
