#include "cli/standard_descriptors.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "tests/support/child.h"

using namespace vmoe::testing;

TEST_CASE("a program that was started without standard output and error does not write into its files") {
  CHECK(said_yes(status_of([] {
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    vmoe::open_standard_descriptors();
    const int file = open("/dev/null", O_WRONLY);  // the first of the program's own
    return file > STDERR_FILENO && write(STDERR_FILENO, "x", 1) == 1;
  })));
}
