#include "train/metrics.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <limits>

#include "tests/support/temporary_folder.h"

using namespace vmoe;
using testing::TemporaryFolder;

namespace {

std::string content(const std::filesystem::path& path) {
  return read_file(path, 1 << 20);
}

const std::vector<std::string> kColumns = {"epoch", "loss", "note"};

}  // namespace

TEST_CASE("metrics are one JSON object a line, in the order given") {
  const TemporaryFolder folder;
  JsonLines lines(folder / "metrics.jsonl");
  lines.append({{"step", 1}, {"loss", 0.1}, {"lr", 1e-3}});
  lines.append({{"step", 2}, {"accuracy", 0.5}});
  CHECK(content(folder / "metrics.jsonl") ==
        "{\"step\":1,\"loss\":0.1,\"lr\":0.001}\n{\"step\":2,\"accuracy\":0.5}\n");
}

TEST_CASE("a number that JSON does not know becomes null, a byte that is not UTF-8 a replacement character") {
  const TemporaryFolder folder;
  JsonLines lines(folder / "m");
  lines.append({{"loss", std::numeric_limits<double>::quiet_NaN()},
                {"path",
                 "a\xff"
                 "b"}});
  CHECK(content(folder / "m") ==
        "{\"loss\":null,\"path\":\"a\xEF\xBF\xBD"
        "b\"}\n");
}

TEST_CASE("metrics that are continued from a checkpoint look as if the run had never stopped") {
  const TemporaryFolder folder;
  uint64_t at_checkpoint = 0;
  {
    JsonLines lines(folder / "m");
    for (int step = 1; step <= 5; ++step) {
      lines.append({{"step", step}});
      if (step == 3) at_checkpoint = lines.size();
    }
  }
  const std::string uninterrupted = content(folder / "m");
  JsonLines lines(folder / "m", at_checkpoint);
  for (int step = 4; step <= 5; ++step) lines.append({{"step", step}});
  CHECK(content(folder / "m") == uninterrupted);
}

TEST_CASE("a table has its header once, and a row for each record") {
  const TemporaryFolder folder;
  uint64_t size = 0;
  {
    CsvFile table(folder / "t", kColumns);
    table.append({{"loss", 0.25}, {"epoch", 1}, {"unknown", 7}});
    size = std::filesystem::file_size(folder / "t");
    table.append({{"epoch", 9}});
  }
  CsvFile table(folder / "t", kColumns, size);
  table.append({{"epoch", 2}, {"loss", nullptr}, {"note", "plain"}});
  CHECK(content(folder / "t") == "epoch,loss,note\n1,0.25,\n2,,plain\n");
}

TEST_CASE("fields with commas, quotes or line ends are quoted") {
  const TemporaryFolder folder;
  CsvFile table(folder / "t", {"a,b", "c"});
  table.append({{"a,b", "say \"x\""}, {"c", "1\n2"}});
  CHECK(content(folder / "t") == "\"a,b\",c\n\"say \"\"x\"\"\",\"1\n2\"\n");
}

TEST_CASE("a table with other columns is not continued, and not cut") {
  const TemporaryFolder folder;
  const std::string other = "epoch,accuracy\n1,0.5\n";
  write_file(folder / "t", other);
  CHECK_THROWS_WITH_AS(CsvFile(folder / "t", kColumns, 5),
                       doctest::Contains("first line must be epoch,loss,note"), InputError);
  CHECK_THROWS_AS(CsvFile(folder / "t", kColumns, other.size()), InputError);
  CHECK(content(folder / "t") == other);
}
