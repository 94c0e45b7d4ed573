#include "cli/bus_error.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <filesystem>
#include <fstream>

#include "data/file.h"
#include "tensor/error.h"
#include "tests/support/child.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;

TEST_CASE("a mapped file that becomes shorter ends the program with an exit code of its own") {
  const TemporaryFolder folder;
  const auto path = folder / "data.bin";
  std::ofstream(path) << std::string(100000, 'x');
  const int status = status_of([&] {
    vmoe::say_bus_errors();
    const std::string name = path.string();
    const vmoe::MappedFile file(name);
    std::filesystem::resize_file(path, 0);
    return file.bytes()[50000] == 'x';
  });
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == static_cast<int>(vmoe::ExitCode::io));
}
