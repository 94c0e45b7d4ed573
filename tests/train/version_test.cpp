#include "train/version.h"

#include <doctest/doctest.h>

using namespace vmoe;

TEST_CASE("the version of the code is that of the program, and the commit where there is one") {
  const std::string version = code_version(), program = kVersion;
  CHECK(version.starts_with(program));
  if (version != program) CHECK(version.substr(program.size(), 1) == "+");
  if (version != program) CHECK(version.find_first_of(" \n\"") == std::string::npos);
}
