// The repository's scripts: the package probe, the test runner, the comparison with other programs.

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

#if defined(__x86_64__)
namespace {

/// tools/check_portable.sh on a program with one function of wide code and one that runs `instruction`.
Result check_program_with(const Scratch& scratch, const std::string& instruction,
                          const std::string& objects) {
  const std::string folder = scratch.folder.string();
  scratch.write("wide.cpp", "void wide() { asm volatile(\"vaddps %ymm0, %ymm0, %ymm0\"); }\n");
  scratch.write("main.cpp", "void wide();\nvoid planted() { asm volatile(\"" + instruction +
                                "\"); }\nint main() { planted(); wide(); }\n");
  return run(scratch, "cd '" + folder +
                          "' && g++ -c wide.cpp && g++ main.cpp wide.o -o program -Wl,-Map=map && cd - "
                          ">/dev/null && sh tools/check_portable.sh '" +
                          folder + "/program' '" + folder + "/map' " + objects);
}

}  // namespace

TEST_CASE("an instruction that old machines lack is found, unless it lies in a wide kernel") {
  const Scratch scratch;
  if (run(scratch, "objdump --version && g++ --version").status != 0) {
    MESSAGE("skipped: needs objdump and g++");
    return;
  }
  for (const char* old : {"nop", "addps %xmm0, %xmm1", "rep bsf %rax, %rax", "pextrw $1, %xmm0, %eax"}) {
    CAPTURE(old);
    const Result result = check_program_with(scratch, old, "wide.o");
    CHECK(result.status == 0);
    CHECK(result.says("none outside of the wide kernels"));
  }
  for (const char* newer :
       {"vaddss %xmm0, %xmm0, %xmm0", "vpaddd %zmm31, %zmm1, %zmm2", "andn %eax, %eax, %eax",
        "kmovb %k1, %eax", "pshufb %xmm0, %xmm1", "popcnt %eax, %eax", "lzcnt %rax, %rax",
        "roundss $1, %xmm0, %xmm1", "haddps %xmm0, %xmm1", "pmovzxbw %xmm0, %xmm1", "movbe (%rax), %eax",
        "lock cmpxchg16b (%rax)"}) {
    CAPTURE(newer);
    const Result result = check_program_with(scratch, newer, "wide.o");
    CHECK(result.status == 1);
    CHECK(result.says("<planted()>: 1 newer"));
    CHECK_FALSE(result.says("<wide()>"));
  }
  CHECK(check_program_with(scratch, "nop", "other.o").says("<wide()>: 1 newer"));
  CHECK(run(scratch, "sh tools/check_portable.sh /nonexistent /nonexistent").status == 2);
}
#endif

TEST_CASE("make refuses a BLAS or a NATIVE that it does not know, and help names every job") {
  const Scratch scratch;
  const std::string make = "env -u MAKEFLAGS -u MAKELEVEL make ";
  const Result refused = run(scratch, make + "-n BLAS=mkl help");
  CHECK(refused.status != 0);
  CHECK(refused.says("openblas or none"));
  CHECK(run(scratch, make + "-n NATIVE=yes help").says("NATIVE is 'yes'; it must be 1"));
  const Result help = run(scratch, make + "help");
  CHECK(help.status == 0);
  for (const char* job : {"make demo", "make test", "make check-f64", "make asan", "make portable",
                          "NATIVE=0", "BLAS=none", "DEPS=PREFIX"}) {
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

TEST_CASE("a build names the commit of its own checkout, and no other's") {
  const Scratch scratch;
  const std::string tree = "'" + (scratch.folder / "tree").string() + "'",
                    ask = "sh " + tree + "/tools/revision.sh";
  if (run(scratch, "command -v git").status != 0) {
    MESSAGE("skipped: git is not installed");
    return;
  }
  // Within a hook these would name the repository that it runs for.
  const std::string apart = "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE && cd ",
                    in_tree = apart + tree + " && ",
                    in_outer = apart + "'" + scratch.folder.string() + "' && ",
                    commit =
                        "git init -q . && git add tree && git -c user.name=a -c user.email=a@b commit -qm 1";
  REQUIRE(run(scratch, "mkdir -p " + tree + "/tools && cp tools/revision.sh " + tree + "/tools/").status ==
          0);
  REQUIRE(run(scratch, in_outer + commit).status == 0);
  CHECK(run(scratch, in_outer + ask).output == "");  // an archive's tree inside another checkout

  REQUIRE(run(scratch, in_outer + "rm -rf .git; mkdir tree/tree; touch tree/tree/file").status == 0);
  REQUIRE(run(scratch, in_tree + commit).status == 0);
  const std::string clean = run(scratch, in_tree + ask).output;
  CHECK(clean.size() == 13);  // 12 digits and the end of the line
  CHECK(clean.find_first_not_of("0123456789abcdef\n") == std::string::npos);
  REQUIRE(run(scratch, in_tree + "echo text >tree/file").status == 0);
  CHECK(run(scratch, in_tree + ask).output == clean.substr(0, 12) + "-changed\n");
}

namespace {

/// Says so where the comparison's language is not installed; the test then checks nothing.
bool has_python(const Scratch& scratch) {
  const bool found = run(scratch, "command -v python3").status == 0;
  if (!found) MESSAGE("skipped: python3 is not installed");
  return found;
}

}  // namespace

TEST_CASE("the comparison with other programs explains its flags and needs no peer for it") {
  const Scratch scratch;
  if (!has_python(scratch)) return;
  const Result help = run(scratch, "python3 bench/compare --help");
  CHECK(help.status == 0);
  for (const char* flag : {"--configs", "--tasks", "--peers", "--rounds", "--seconds", "--threads", "--vmoe",
                           "--precision", "--json", "--table"}) {
    CAPTURE(flag);
    CHECK(help.says(flag));
  }
  CHECK(run(scratch, "python3 bench/compare --peers tensorflow").says("'tensorflow' is none of eager"));
  CHECK(run(scratch, "python3 bench/compare --table").says("--table needs --json FILE"));
  CHECK(run(scratch, "python3 bench/compare --table --json README.md").says("is no result of bench/compare"));
  // Peers that are missing are named; nothing is measured.
  const Result none =
      run(scratch, "python3 bench/compare --python /nonexistent/python --vmoe /nonexistent/vmoe");
  CHECK(none.status == 1);
  CHECK(none.says("/nonexistent/python"));
}

TEST_CASE("ratios are taken within a pair, and against the best peer of each round") {
  const Scratch scratch;
  if (!has_python(scratch)) return;
  const Result table = run(scratch, "python3 bench/compare --table --json tests/fixtures/compare/pairs.json");
  CHECK(table.status == 0);
  // eager: 100/50, 110/100, 120/100. The best in fp32: ddp+tc 100/80, then eager 110/100 and 120/100; of all:
  // bf16+tc 100/200 in the first round. Memory of the same pairs: 200/1600, 200/800, 210/1000.
  CHECK(table.says("| configuration | best fp32 peer | best peer | eager | ddp+tc | bf16+tc |"));
  CHECK(table.says(
      "| `cifar192` | 1.20 (1.10..1.25) | 1.10 (0.50..1.20) | 1.20 (1.10..2.00) | 1.25 (1.10..2.00) |"));
  CHECK(table.says(
      "| `cifar192` | 0.21 (0.12..0.25) | 0.25 (0.21..0.40) | 0.21 (0.20..0.25) | 0.12 (0.12..0.12) |"));
  CHECK(table.says("| `fashion64` | 4000.0 (4000.0..4000.0) | 0.25 / 0.50 | 25 % | 20 | ort | 1000.0"));
}
