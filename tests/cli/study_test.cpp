// vmoe study on tiny data, from the first run to the table, and what survives an interruption.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> study_command(const std::string& output, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {
      "study",  "mobile",    kTinyData, "--dim",    "16", "--depth",      "2", "--heads",
      "2",      "--mlp-dim", "16",      "--epochs", "2",  "--batch-size", "8", "--moe-layers",
      "last:1", "--output",  output};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

// The lines without the figures that depend on time and threads.
std::vector<Json> results_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<Json> results;
  for (std::string line; std::getline(in, line);) {
    Json json = Json::parse(line);
    for (const char* key : {"latency_p50_ms", "latency_p95_ms", "threads"}) CHECK(json.erase(key) == 1);
    results.push_back(std::move(json));
  }
  return results;
}

/// What the program printed, without what differs from call to call.
Json without_times(const std::string& text) {
  Json study = Json::parse(text);
  for (Json& arm : study["arms"]) {
    for (const char* key : {"latency_p50_ms", "latency_p95_ms"}) CHECK(arm.erase(key) == 1);
  }
  return study;
}

}  // namespace

TEST_CASE("a study trains every arm once and compares them with the dense one") {
  const TemporaryFolder folder;
  const std::string output = (folder / "study").string();
  const Json study = without_times(succeed(study_command(output, {"--seeds", "2", "--json"})).out);
  CHECK(study["schema"] == 1);
  const char* names[] = {"dense", "superclass", "random", "image", "token", "coarse", "wide"};
  REQUIRE(study["arms"].size() == 7);
  for (size_t i = 0; i < 7; ++i) {
    const Json& arm = study["arms"][i];
    CAPTURE(names[i]);
    CHECK(arm["arm"] == names[i]);
    CHECK(arm["seeds"] == Json({1, 2}));
    CHECK((arm["top1"]["mean"] >= 0 && arm["top1"]["mean"] <= 1));
    CHECK(arm["difference"].is_null() == (i == 0));
    if (i > 0) CHECK(arm["difference"]["low"] <= arm["difference"]["high"]);
    const bool experts = i > 0 && i < 6;
    CHECK((arm["routed_share"] > 0) == experts);
    CHECK((arm["experts_touched"] > 0) == experts);
    CHECK((arm["params"] > arm["active_params"]) ==
          (experts && i != 4));  // tokens of an image reach both experts
    CHECK((arm["bytes_touched"] > 0 && arm["bytes_touched"] <= 4 * arm["params"].get<double>()));
    if (experts && i != 4) {
      CHECK(arm["experts_touched"] == 1);
      CHECK(arm["bytes_touched"] == 4 * arm["active_params"].get<double>());
    }
  }
  CHECK(study["arms"][4]["experts_touched"] <= 2);

  // Random super-classes are drawn for each seed.
  std::set<Json> divisions;
  for (const auto& entry : fs::directory_iterator(output)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("random-")) divisions.insert(Json::parse(bytes_of(entry.path()))["super_class"]);
    if (name.starts_with("super-classes-"))
      CHECK(Json::parse(bytes_of(entry.path()))["super_class"] == Json({0, 0, 1, 1}));
  }
  CHECK(divisions.size() == 2);
  CHECK(bytes_of(output + "/runs/dense-1/last.safetensors") !=
        bytes_of(output + "/runs/dense-2/last.safetensors"));
  REQUIRE(study["comparisons"].size() == 4);
  CHECK((study["comparisons"][0]["arm"] == "superclass" && study["comparisons"][0]["to"] == "random"));
  CHECK(study["report"] == output + "/report.html");
  const std::string page = bytes_of(output + "/report.html");
  for (const char* figure : {"accuracy-flops", "confusion", "heat"}) CHECK(count_of(page, figure) > 0);

  // Again: nothing runs, and the table is the same, from the file alone, too.
  const std::string file = output + "/results.jsonl", before = bytes_of(file);
  CHECK(count_of(before, "\n") == 14);
  const Outcome again = succeed(study_command(output, {"--seeds", "2", "--json"}));
  CHECK(without_times(again.out) == study);
  CHECK(again.err.empty());
  Json alone =
      without_times(succeed(study_command((folder / "none").string(),
                                          {"--seeds", "3", "--json", "--only-table", "--results", file}))
                        .out);
  CHECK(alone["missing"] == 7);
  CHECK(alone["arms"] == study["arms"]);
  CHECK(!alone.contains("report"));
  CHECK(!fs::exists(folder / "none"));
  CHECK(bytes_of(file) == before);
  const std::string table = succeed(study_command(output, {"--seeds", "2"})).out;
  CHECK(table.starts_with("arm "));
  CHECK(count_of(table, "\n") == 17);
  CHECK(count_of(table, "superclass to ") == 4);

  // Another recipe does not mix with this one.
  const Outcome other = vmoe::testing::vmoe(study_command(output, {"--lr", "0.01"}));
  CHECK(other.code == 2);
  CHECK(other.err.find("training/lr 0.001, not 0.01; give another --output") != std::string::npos);
}

TEST_CASE("an interrupted study goes on where it stopped and finds the same") {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole").string(), parts = (folder / "parts").string();
  const std::vector<std::string> arms = {"--arms", "dense,superclass,random", "--seeds", "1"};
  succeed(study_command(whole, arms));
  // The machine goes down in the second arm: its folder holds a checkpoint, its result is not there yet.
  succeed(study_command(parts, arms));
  const auto results = results_of(whole + "/results.jsonl");
  REQUIRE(results.size() == 3);
  const std::string text = bytes_of(parts + "/results.jsonl");
  std::ofstream(parts + "/results.jsonl", std::ios::binary) << text.substr(0, text.find('\n') + 40);
  fs::remove_all(parts + "/runs/random-1");
  std::vector<std::string> other_threads = study_command(parts, arms);
  other_threads.insert(other_threads.end(), {"--threads", "3"});
  const Outcome outcome = succeed(other_threads);
  CHECK(count_of(outcome.err, "dense, seed 1: ") == 0);
  CHECK(count_of(outcome.err, "superclass, seed 1: top-1 ") == 1);
  CHECK(results_of(parts + "/results.jsonl") == results);
}

TEST_CASE("a bounded study can be continued, and its results are not taken for whole ones") {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole").string(), parts = (folder / "parts").string();
  succeed(study_command(whole, {"--arms", "image", "--seeds", "1"}));
  succeed(study_command(parts, {"--arms", "image", "--seeds", "1", "--max-steps", "3"}));
  // Bounded results are others: the arm is not taken for finished, and its run is continued.
  const Outcome rest = succeed(study_command(parts, {"--arms", "image", "--seeds", "1"}));
  const auto results = results_of(parts + "/results.jsonl");
  REQUIRE(results.size() == 2);
  CHECK(results[0]["steps"] == 3);
  CHECK(results[0]["hash"] != results[1]["hash"]);
  CHECK(results[1] == results_of(whole + "/results.jsonl").at(0));
  CHECK(bytes_of(parts + "/runs/image-1/best.safetensors") ==
        bytes_of(whole + "/runs/image-1/best.safetensors"));
  const Outcome shorter = vmoe::testing::vmoe(study_command(parts, {"--arms", "image", "--max-steps", "2"}));
  CHECK(shorter.code == 2);
  CHECK(shorter.err.find("10 steps already") != std::string::npos);
}

TEST_CASE("arms with experts can start from a dense model, in the same number of epochs") {
  const TemporaryFolder folder;
  const std::string output = (folder / "study").string();
  const std::vector<std::string> more = {"--arms", "superclass,token", "--seeds", "1", "--upcycle", "1"};
  const Outcome outcome = succeed(study_command(output, more));
  CHECK(fs::exists(output + "/runs/start-1/best.safetensors"));
  CHECK(count_of(outcome.err, "trained before") == 2);
  for (const Json& result : results_of(output + "/results.jsonl")) CHECK(result["steps"] == 5);
  CHECK(succeed(study_command(output, more)).err.empty());
  const Outcome all = vmoe::testing::vmoe(study_command(output, {"--upcycle", "2"}));
  CHECK(all.code == 2);
  CHECK(all.err.find("--upcycle 2: give --epochs, too, and more") != std::string::npos);
}

TEST_CASE("data of three classes, unknown studies and arms, and no hold-out are one line each") {
  const TemporaryFolder folder;
  const std::string output = (folder / "study").string(), three = "synthetic:families=1,details=3,size=8";
  const auto check = [](const std::vector<std::string>& command, const std::string& part) {
    const Outcome outcome = vmoe::testing::vmoe(command);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 2);
    CHECK(count_of(outcome.err, "\n") == 1);
    CHECK(outcome.err.find(part) != std::string::npos);
  };
  check({"study", "mobile", three, "--output", output}, "has 3 classes; it takes at least 4");
  check({"study", "mobil", kTinyData, "--output", output}, "did you mean 'mobile'");
  check({"study", "mobile", kTinyData}, "--output DIR is needed");
  check(study_command(output, {"--arms", "dense,tokem"}), "did you mean 'token'");
  check(study_command(output, {"--experts", "5"}), "--experts 5 is more than the 4 classes");
  check(study_command(output, {"--router", "token"}), "--router token: each arm of a study has its own");
  check(study_command(output, {"--holdout", "0"}), "--holdout 0: a study needs");
  CHECK(!fs::exists(output));
}
