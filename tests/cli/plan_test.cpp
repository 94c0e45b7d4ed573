// vmoe plan: what a run will need.

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

/// The same flags as train's, for plan.
std::vector<std::string> plan_command(const std::string& output, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = train_command(output, more);
  command[0] = "plan";
  command.insert(command.end(), {"--calibrate", "0.02"});
  return command;
}

}  // namespace

TEST_CASE("plan says what train with the same flags will need, and writes nothing") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const Outcome planned = vmoe::testing::vmoe(plan_command(run, {"--json"}));
  CHECK(planned.code == 0);
  CHECK(planned.err.empty());
  CHECK(fs::is_empty(folder.path()));
  const auto json = nlohmann::json::parse(planned.out);
  CHECK(json["schema"] == 1);
  CHECK(json["fits"] == true);
  CHECK(json["training_images"] == 44);
  CHECK(json["steps_per_epoch"] == 5);
  CHECK(json["lanes"] == 4);  // pairs of a batch of 8
  size_t sum = 0;
  for (const auto& part : json["memory"]) sum += part.get<size_t>();
  CHECK(sum == json["peak_bytes"]);
  CHECK(json["epoch_seconds"] > 0);
  CHECK(json["run_seconds"].get<double>() == doctest::Approx(3 * json["epoch_seconds"].get<double>()));
  CHECK_FALSE(json["by_lanes"].empty());

  REQUIRE(vmoe::testing::vmoe(train_command(run)).code == 0);
  const auto bytes = [&](const char* name) { return fs::file_size(folder / "run" / name); };
  const uint64_t kept =
      bytes("best.safetensors") + bytes("last.safetensors") + bytes("last.state.safetensors");
  const uint64_t headers = 3 * 16384;
  CHECK(json["checkpoint_bytes"].get<uint64_t>() + headers >= kept);
  CHECK(json["checkpoint_bytes"].get<uint64_t>() <= 2 * kept);
}

TEST_CASE("plan reads well for people, too") {
  const TemporaryFolder folder;
  const Outcome planned = vmoe::testing::vmoe(plan_command((folder / "run").string()));
  CHECK(planned.code == 0);
  for (const char* word : {"Time: about", "Memory: about", "fits", "activations of the threads",
                           "Disk: at most", "Lanes:", "threads kept busy"}) {
    CHECK_MESSAGE(planned.out.find(word) != std::string::npos, word);
  }
}

TEST_CASE("a model that no machine holds is said not to fit, and nothing is tried") {
  const TemporaryFolder folder;
  const Outcome planned = vmoe::testing::vmoe(plan_command(
      (folder / "run").string(), {"--dim", "16384", "--mlp-dim", "65536", "--depth", "96", "--json"}));
  CHECK(planned.code == 0);
  const auto json = nlohmann::json::parse(planned.out);
  CHECK(json["fits"] == false);
  CHECK(json["needed_bytes"] > json["available_bytes"]);
  CHECK_FALSE(json.contains("step_seconds"));
}

TEST_CASE("train says early on how long it will take and how much memory, once") {
  const TemporaryFolder folder;
  const Outcome trained = vmoe::testing::vmoe(train_command((folder / "run").string()));
  const size_t first = trained.err.find("an epoch, ");
  REQUIRE(first != std::string::npos);
  CHECK(trained.err.find("an epoch, ", first + 1) == std::string::npos);
  CHECK(trained.err.find("memory about ") != std::string::npos);
  CHECK(first < trained.err.find("epoch 1/3"));
}

TEST_CASE("a batch that no machine holds is refused in one line") {
  const Outcome outcome = vmoe::testing::vmoe(
      {"bench", "train", "--batch-size", "1048576", "--image-size", "1024", "--patch-size", "32"});
  CHECK(outcome.code == 2);
  CHECK(outcome.err.find("--batch-size 1048576: the batch needs") != std::string::npos);
}
