// What a command writes never takes the place of what it reads.

#include "cli/output_files.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

void check_refused(const std::vector<std::string>& arguments, const std::string& part) {
  const Outcome outcome = vmoe::testing::vmoe(arguments);
  CAPTURE(outcome.err);
  CHECK(outcome.code == 2);
  CHECK(count_of(outcome.err, "\n") == 1);
  CHECK(outcome.err.find(part) != std::string::npos);
}

}  // namespace

TEST_CASE("a file is one file however its path is spelt, whether it exists or not") {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  std::ofstream(path("a")) << "x";
  fs::create_symlink("a", folder / "link");
  fs::create_directory(folder / "sub");
  for (const char* same : {"a", "./a", "sub/../a", "link"}) CHECK(vmoe::same_file(path("a"), path(same)));
  CHECK(vmoe::same_file(path("none"), path("./none")));
  CHECK(vmoe::same_file("no-such-file", "./no-such-file"));  // one of the two has a part that exists
  CHECK(!vmoe::same_file(path("a"), path("none")));
  CHECK(!vmoe::same_file(path("none"), path("sub/none")));
}

TEST_CASE("an output does not replace the model, the division or the data that it is made from") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), best = run + "/best.safetensors";
  const std::string last = run + "/last.safetensors", division = (folder / "super.json").string();
  succeed(train_command(run, {"--max-steps", "8"}));
  succeed({"superclass", run, kTinyData, "--experts", "2", "--output", division});
  const std::string best_bytes = bytes_of(best), last_bytes = bytes_of(last);
  const std::string division_bytes = bytes_of(division);

  for (const std::string& model : {run, best}) {
    for (const std::string& output : {best, run + "/../run/best.safetensors"}) {
      const std::string replaced = ": would replace '" + best + "'";
      check_refused({"upcycle", model, "--experts", "2", "--output", output},
                    "--output " + output + replaced);
      check_refused({"eval", model, kTinyData, "--confusion", output}, "--confusion " + output + replaced);
      check_refused({"routes", model, kTinyData, "--csv", output}, "--csv " + output + replaced);
      check_refused({"superclass", model, kTinyData, "--experts", "2", "--output", output},
                    "--output " + output + replaced);
      check_refused({"superclass", model, kTinyData, "--experts", "2", "--output",
                     (folder / "x.json").string(), "--picture", output},
                    "--picture " + output + replaced);
    }
  }
  // Nor another run's files, whichever command writes, nor a picture of the data.
  const std::string state = run + "/last.state.safetensors", other = (folder / "other").string();
  for (const char* file : {"/last.state.safetensors", "/metrics.jsonl", "/config.json"})
    check_refused({"eval", run, kTinyData, "--confusion", run + file}, "is the place of a file of the run");
  succeed(train_command(other, {"--max-steps", "1"}));
  check_refused({"upcycle", run, "--experts", "2", "--output", other + "/best.safetensors"},
                "is the place of a file of the run");
  const std::string data = (folder / "pictures").string(), picture = data + "/train/disc-1/0.csv";
  for (const std::string& name :
       {std::string("disc-1"), std::string("disc-2"), std::string("square-1"), std::string("square-2")})
    succeed({"data", kTinyData, "--export", data + "/train/" + name, "--count", "1"});
  fs::copy_file(fs::directory_iterator(data + "/train/disc-1")->path(), picture);
  check_refused({"eval", run, data, "--split", "train", "--confusion", picture}, "would replace '" + picture);
  // A run's folder is no data, whatever is called so in it.
  fs::create_directories(run + "/test");
  for (int twice = 0; twice < 2; ++twice)
    succeed({"eval", run, kTinyData, "--confusion", run + "/test/confusion.csv"});
  succeed({"upcycle", run, "--experts", "2", "--output", (folder / "start").string()});
  check_refused({"upcycle", run, "--experts", "2", "--output", (folder / "start/best.safetensors").string()},
                "holds a model already");
  // A run goes on from its last model, which is no less a part of it.
  check_refused({"upcycle", run, "--experts", "2", "--output", last}, "would replace '" + last + "'");
  check_refused({"superclass", run, kTinyData, "--from", division, "--output", division},
                "--output " + division + ": would replace");
  check_refused({"eval", run, division, "--confusion", division}, "--confusion " + division);
  CHECK(bytes_of(best) == best_bytes);
  CHECK(bytes_of(last) == last_bytes);
  CHECK(bytes_of(division) == division_bytes);
}

TEST_CASE("super-classes and their picture are two files, however they are spelt") {
  const TemporaryFolder folder;
  const std::string output = (folder / "sc.json").string(), picture = folder.path().string() + "/./sc.json";
  check_refused({"superclass", "m", kTinyData, "--experts", "2", "--output", output, "--picture", picture},
                "the picture has this name, too");
  check_refused({"superclass", "m", kTinyData, "--experts", "2", "--output", "x.png"},
                "the picture has this name, too");
}
