// The build's shell scripts: the package probe and the test runner.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/tools/repository.h"

using namespace vmoe::checks;
namespace fs = std::filesystem;

namespace {

/// A folder of this test's own, removed at the end.
struct Scratch {
  fs::path folder = fs::temp_directory_path() / ("vmoe_scripts_" + std::to_string(getpid()));
  Scratch() { fs::create_directories(folder); }
  ~Scratch() { fs::remove_all(folder); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  fs::path write_script(const std::string& name, const std::string& text) const {
    const fs::path path = write(name, "#!/bin/sh\n" + text);
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }
};

struct Result {
  int status;
  std::string output;  // standard output and standard error
  bool says(const std::string& text) const { return output.find(text) != std::string::npos; }
  bool ends_with(const std::string& text) const { return output.ends_with(text); }
};

Result run(const Scratch& scratch, const std::string& command) {
  const fs::path log = scratch.folder / "output";
  const std::string line =
      "cd '" + repository().string() + "' && { " + command + "; } >'" + log.string() + "' 2>&1";
  const int status = std::system(line.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(log)};
}

/// tools/deps.sh with the settings, on a system whose /etc/os-release is `os_release`.
Result probe(const std::string& os_release, const std::string& settings, const std::string& arguments) {
  const Scratch scratch;
  const fs::path file = scratch.write("os-release", os_release);
  return run(scratch, "env -u SANITIZE -u BLAS VMOE_OS_RELEASE='" + file.string() + "' " + settings +
                          " sh tools/deps.sh " + arguments);
}

const char* const kDebian = "ID=debian\nVERSION_ID=\"12\"\n";
const std::string kNoCompiler = "CXX=/nonexistent/g++";

}  // namespace

TEST_CASE("without packages the probe fails and prints the line that installs them") {
  const Result result = probe(kDebian, kNoCompiler, "check tests");
  CHECK(result.status == 1);
  CHECK(
      result.says("apt-get install -y --no-install-recommends g++ libopenblas-dev zlib1g-dev libstb-dev "
                  "libcli11-dev nlohmann-json3-dev libtomlplusplus-dev doctest-dev\n"));
  CHECK(result.says("'/nonexistent/g++'"));
}

TEST_CASE("the probe asks only for what the settings need") {
  CHECK_FALSE(probe(kDebian, kNoCompiler + " BLAS=none", "check program").says("openblas"));
  CHECK_FALSE(probe(kDebian, kNoCompiler, "check program").says("doctest"));
  const Result clang =
      probe(kDebian, "CXX=/nonexistent/clang++-14 SANITIZE=-fsanitize=address", "check program");
  CHECK(clang.says(" clang-14 libomp-14-dev libclang-rt-14-dev "));
  CHECK_FALSE(clang.says("g++ "));
}

TEST_CASE("a missing header is found although the compiler works") {
  // A compiler that finds no system headers: everything but the compiler itself is missing.
  const Result result = probe(kDebian, "CXX='${CXX:-g++}' CPPFLAGS=-nostdinc BLAS=none", "check program");
  CHECK(result.status == 1);
  CHECK(result.says("zlib1g-dev libstb-dev libcli11-dev"));
}

TEST_CASE("other systems get their own line, marked untested") {
  CHECK(probe("ID=fedora\n", kNoCompiler, "check tests").says("dnf install -y gcc-c++ openblas-devel"));
  CHECK(probe("ID=fedora\n", kNoCompiler, "check tests").says("# Fedora, untested"));
  CHECK(probe("ID=arch\n", kNoCompiler, "check tests").says("pacman -S --needed --noconfirm gcc openblas"));
  CHECK(
      probe("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", kNoCompiler, "check tests").says("apt-get install"));
  const Result unknown = probe("ID=other\n", kNoCompiler, "check tests");
  for (const char* manager : {"apt-get install", "dnf install", "pacman -S", "brew install"}) {
    CHECK(unknown.says(manager));
  }
}

TEST_CASE("an unknown system is never installed on") {
  const Result result = probe("ID=other\n", kNoCompiler, "install tests");
  CHECK(result.status == 1);
  CHECK_FALSE(result.says("installing"));
}

TEST_CASE("the test runner sums the programs' test cases") {
  const Scratch scratch;
  auto summary = [](const char* passed, const char* failed) {
    return std::string("echo '[doctest] test cases:  9 |  ") + passed + " passed | " + failed +
           " failed | 1 skipped'\n";
  };
  const std::string good = scratch.write_script("good", summary("12", "0")).string();
  const std::string bad = scratch.write_script("bad", summary("3", "2") + "exit 1").string();
  const std::string crashed = scratch.write_script("crashed", summary("3", "0") + "kill -9 $$").string();
  const std::string silent = scratch.write_script("silent", "exit 0").string();

  Result result = run(scratch, "sh tools/run_tests.sh " + good + " " + good);
  CHECK(result.status == 0);
  CHECK(result.ends_with("\n24 passed, 0 failed\n"));
  CHECK(result.says("[doctest] test cases"));

  result = run(scratch, "sh tools/run_tests.sh " + good + " " + bad);
  CHECK(result.status == 1);
  CHECK(result.ends_with("\n15 passed, 2 failed\n"));

  result = run(scratch, "sh tools/run_tests.sh " + crashed + " " + good);
  CHECK(result.status == 1);
  CHECK(result.ends_with("\n15 passed, 1 failed\n"));

  CHECK(run(scratch, "sh tools/run_tests.sh " + silent).status == 1);
  CHECK(run(scratch, "sh tools/run_tests.sh").status == 1);
}

TEST_CASE("make refuses a BLAS that it does not know, and help names every job") {
  const Scratch scratch;
  const std::string make = "env -u MAKEFLAGS -u MAKELEVEL make ";
  const Result refused = run(scratch, make + "-n BLAS=mkl help");
  CHECK(refused.status != 0);
  CHECK(refused.says("openblas or none"));
  const Result help = run(scratch, make + "help");
  CHECK(help.status == 0);
  for (const char* job :
       {"make demo", "make test", "make check-f64", "make asan", "BLAS=none", "DEPS=PREFIX"}) {
    CHECK(help.says(job));
  }
}

TEST_CASE("plain make without packages stops with the install line") {
  const Scratch scratch;
  const Result result = run(scratch, "env -u MAKEFLAGS -u MAKELEVEL make " + kNoCompiler + " BUILD='" +
                                         (scratch.folder / "build").string() + "'");
  CHECK(result.status != 0);
  CHECK(result.says(" g++ libopenblas-dev "));
}
