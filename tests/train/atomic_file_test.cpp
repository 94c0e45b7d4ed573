#include "train/atomic_file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <optional>
#include <set>

#include "tests/support/temporary_folder.h"

namespace fs = std::filesystem;
using namespace vmoe;
using testing::TemporaryFolder;

namespace {

/// Fails the n-th system call (from 1) with ENOSPC while it lives.
class FailNth {
 public:
  explicit FailNth(int n) {
    set_file_fault([this, n](FileCall call) {
      if (++calls_ != n) return 0;
      failed_ = call;
      return ENOSPC;
    });
  }
  ~FailNth() { set_file_fault({}); }
  std::optional<FileCall> failed() const { return failed_; }

 private:
  int calls_ = 0;
  std::optional<FileCall> failed_;
};

/// While it lives no file grows beyond `bytes`: like a full disk, writes stop half-way.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int files_in(const TemporaryFolder& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
}

/// Lets every call of `write` fail in turn, until it succeeds; `check` sees the folder after each failure.
/// Returns the kinds of calls that failed.
template <class Write, class Check>
std::set<FileCall> fail_every_call(const Write& write, const Check& check) {
  std::set<FileCall> kinds;
  for (int n = 1; n < 1000; ++n) {
    FailNth fault(n);
    try {
      write();
      CHECK_FALSE(fault.failed());
      return kinds;
    } catch (const IoError& error) {
      CHECK(std::string(error.what()).find("the disk is full") != std::string::npos);
      REQUIRE(fault.failed());
      kinds.insert(*fault.failed());
    }
    set_file_fault({});
    check(*fault.failed());
  }
  FAIL("never succeeded");
  return kinds;
}

}  // namespace

TEST_CASE("a written file has its content and no temporary remains") {
  const TemporaryFolder folder;
  write_file(folder / "a", "one");
  CHECK(content(folder / "a") == "one");
  write_file(folder / "a", "two, and longer");
  CHECK(content(folder / "a") == "two, and longer");
  write_file(folder / "a", "");
  CHECK(content(folder / "a").empty());
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a file that is not committed leaves the old one") {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("half");
    CHECK(content(folder / "a") == "old");
    CHECK(files_in(folder) == 2);
  }
  CHECK(content(folder / "a") == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a temporary left by a killed program is overwritten") {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("half");
    fs::copy_file(folder / ".a.tmp", folder / "kept");
  }
  fs::rename(folder / "kept", folder / ".a.tmp");
  write_file(folder / "a", "x");
  CHECK(content(folder / "a") == "x");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("whichever system call fails, the old file or the new one is whole and no temporary remains") {
  const TemporaryFolder folder;
  for (const bool existed : {true, false}) {
    CAPTURE(existed);
    const auto reset = [&] {
      fs::remove(folder / "a");
      if (existed) write_file(folder / "a", "old");
    };
    reset();
    const auto write = [&] {
      AtomicFile file(folder / "a");
      file.write("new ");
      file.write("content");
      file.commit();
    };
    const auto kinds = fail_every_call(write, [&](FileCall failed) {
      const bool renamed = content(folder / "a") == "new content";
      // Only what comes after the rename, flushing the folder, can fail with the new file in place.
      if (!renamed) CHECK(content(folder / "a") == (existed ? "old" : ""));
      if (renamed) CHECK((failed == FileCall::flush || failed == FileCall::open));
      CHECK(files_in(folder) == (existed || renamed ? 1 : 0));
      reset();
    });
    CHECK(kinds == std::set{FileCall::open, FileCall::write, FileCall::flush, FileCall::rename});
    CHECK(content(folder / "a") == "new content");
    CHECK(files_in(folder) == 1);
  }
}

TEST_CASE(
    "a file that outgrows the system's limit in the middle of a write is an IoError, the old one stays") {
  const TemporaryFolder folder;
  write_file(folder / "a", "old");
  {
    const FileSizeLimit limit(100'000);
    CHECK_THROWS_WITH_AS(write_file(folder / "a", std::string(1 << 20, 'x')),
                         doctest::Contains("grew beyond"), IoError);
  }
  CHECK(content(folder / "a") == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("places where no file can be are IoErrors that name the path and the reason") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  fs::create_directory(folder / "folder");
  CHECK_THROWS_WITH_AS(write_file(folder / "none/a", ""), doctest::Contains("no such file or folder"),
                       IoError);
  CHECK_THROWS_WITH_AS(write_file(folder / "file/a", ""), doctest::Contains("is a file, not a folder"),
                       IoError);
  CHECK_THROWS_WITH_AS(write_file(folder / "folder", ""), doctest::Contains("it is a folder"), IoError);
  CHECK_THROWS_WITH_AS(write_file("/dev/null", ""), doctest::Contains("a device"), IoError);
  CHECK_THROWS_WITH_AS(AppendFile("/dev/null", 0), doctest::Contains("a device"), IoError);
  CHECK_THROWS_WITH_AS(write_file(folder / "none/a", ""), doctest::Contains((folder / "none/a").c_str()),
                       IoError);
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("reading gives the whole content, up to a bound") {
  const TemporaryFolder folder;
  std::string bytes = "line\n";
  bytes += '\0';
  write_file(folder / "a", bytes);
  CHECK(read_file(folder / "a", 6) == bytes);
  CHECK_THROWS_WITH_AS(read_file(folder / "a", 5), doctest::Contains("has 6 bytes, at most 5"), InputError);
  write_file(folder / "empty", "");
  CHECK(read_file(folder / "empty", 0).empty());
}

TEST_CASE("reading a folder, a pipe, a device or nothing is an error and does not wait") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(read_file(folder / "pipe", 10), doctest::Contains("a pipe or a device"), InputError);
  CHECK_THROWS_WITH_AS(read_file("/dev/zero", 10), doctest::Contains("a pipe or a device"), InputError);
  CHECK_THROWS_WITH_AS(read_file(folder.path(), 10), doctest::Contains("it is a folder"), InputError);
  CHECK_THROWS_WITH_AS(read_file(folder / "none", 10), doctest::Contains("no such file"), IoError);
}

TEST_CASE("a failing read is an IoError, a file that shrinks too") {
  const TemporaryFolder folder;
  write_file(folder / "a", "0123456789");
  std::string read;
  const auto kinds = fail_every_call([&] { read = read_file(folder / "a", 10); }, [](FileCall) {});
  CHECK(read == "0123456789");
  CHECK(kinds == std::set{FileCall::open, FileCall::read});

  const InputFile file(folder / "a");
  char two[2];
  file.read(8, two, 2);
  CHECK(std::string(two, 2) == "89");
  fs::resize_file(folder / "a", 9);
  CHECK_THROWS_WITH_AS(file.read(8, two, 2), doctest::Contains("ended at byte 9"), IoError);
}

TEST_CASE("a log grows, and continues from any earlier size") {
  const TemporaryFolder folder;
  uint64_t after_one = 0;
  {
    AppendFile log(folder / "log", 0);
    log.append("one\n");
    after_one = log.size();
    log.append("two\n");
    log.flush();
    CHECK(content(folder / "log") == "one\ntwo\n");
    CHECK(log.size() == 8);
  }
  AppendFile log(folder / "log", after_one);
  log.append("2\n");
  CHECK(content(folder / "log") == "one\n2\n");
  CHECK_THROWS_WITH_AS(AppendFile(folder / "log", 7),
                       doctest::Contains("has 6 bytes, at the checkpoint it had 7"), InputError);
  CHECK(content(folder / "log") == "one\n2\n");
  const AppendFile anew(folder / "log", 0);
  CHECK(content(folder / "log").empty());
}

TEST_CASE("whichever system call of a log fails, it holds whole lines only") {
  const TemporaryFolder folder;
  const auto reset = [&] { write_file(folder / "log", "kept\ngone\n"); };
  reset();
  const auto write = [&] {
    AppendFile log(folder / "log", 5);
    log.append("new\n");
    log.flush();
  };
  const auto kinds = fail_every_call(write, [&](FileCall) {
    const std::string now = content(folder / "log");
    CHECK((now == "kept\ngone\n" || now == "kept\n" || now == "kept\nnew\n"));
    reset();
  });
  CHECK(kinds == std::set{FileCall::open, FileCall::truncate, FileCall::write, FileCall::flush});
}

TEST_CASE("a line that fits only in part is taken back") {
  const TemporaryFolder folder;
  AppendFile log(folder / "log", 0);
  log.append("one\n");
  {
    const FileSizeLimit limit(6);
    CHECK_THROWS_AS(log.append("two\n"), IoError);
  }
  CHECK(content(folder / "log") == "one\n");
  log.append("three\n");
  CHECK(content(folder / "log") == "one\nthree\n");
}

TEST_CASE("a file exists, does not exist, or cannot be asked for") {
  const TemporaryFolder folder;
  write_file(folder / "file", "x");
  CHECK(file_exists(folder / "file"));
  CHECK(file_exists(folder.path()));
  CHECK(!file_exists(folder / "none"));
  CHECK(!file_exists(folder / "file" / "below"));
  CHECK_THROWS_AS(file_exists(folder / std::string(300, 'x')), IoError);
}
