// What the program says of routers: vmoe routes, predict, eval, and the log of a run.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> lines_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return lines_of({std::istreambuf_iterator<char>(file), {}});
}

// The records of a run's epochs.
std::vector<Json> epochs_of(const std::string& run) {
  std::vector<Json> epochs;
  for (const std::string& line : lines_of_file(fs::path(run) / "metrics.jsonl")) {
    Json json = Json::parse(line);
    if (json.contains("train_loss")) epochs.push_back(std::move(json));
  }
  return epochs;
}

size_t lines_with(const std::string& text, const std::string& part) {
  const auto lines = lines_of(text);
  return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.find(part) != std::string::npos;
  }));
}

const std::vector<std::string> kCoarse = {"--router", "image",        "--super-classes",
                                          "coarse",   "--moe-layers", "last:1"};

const std::vector<std::string> kTokens = {"--router", "token", "--experts", "3", "--moe-layers", "0,1"};

std::vector<std::string> with(std::vector<std::string> flags, const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

}  // namespace

TEST_CASE("routes says who goes where, as JSON, as text and image by image") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), csv = (folder / "routes.csv").string();
  succeed(train_command(run, with(kCoarse, {"--top-k", "2"})));
  Json routes = Json::parse(succeed({"routes", run, kTinyData, "--csv", csv, "--json"}).out);
  Json eval = Json::parse(succeed({"eval", run, kTinyData, "--json"}).out);
  CHECK(routes["schema"] == 1);
  CHECK(routes["n"] == 16);
  CHECK(routes["unit"] == "image");
  CHECK(routes["experts_per_unit"] == 2);
  CHECK(routes["router_accuracy"] == eval["router_accuracy"]);
  CHECK(routes["routing"] == eval["routing"]);
  CHECK(eval["routing"]["images"] == eval["expert_load"]);
  REQUIRE(routes["blocks"].size() == 1);
  CHECK(routes["blocks"][0]["block"] == 1);
  const Json experts = routes["blocks"][0]["experts"];
  REQUIRE(experts.size() == 2);
  int64_t images = 0;
  for (const Json& expert : experts) {
    images += expert["units"].get<int64_t>();
    CHECK(expert["name"].get<std::string>() != "");
    double shares = 0;
    for (const Json& c : expert["classes"]) shares += c["share"].get<double>();
    CHECK(std::abs(shares - 1) <= 1e-12);
    CHECK(expert["purity"] == 0.5);  // both experts have all images
  }
  CHECK(images == 32);

  const auto rows = lines_of_file(csv);
  REQUIRE(rows.size() == 17);
  CHECK(rows[0] == "index,label,expert_1,gate_1,expert_2,gate_2");
  for (size_t i = 1; i < rows.size(); ++i) {
    CHECK(rows[i].starts_with(std::to_string(i - 1) + ","));
    CHECK(std::count(rows[i].begin(), rows[i].end(), ',') == 5);
  }

  const std::string text = succeed({"routes", run, kTinyData, "--top", "1", "--split", "holdout"}).out;
  CHECK(text.find("4 images (holdout), each to 2 of 2 experts; the router finds the super-class of ") == 0);
  CHECK(text.find("\n  expert 0: 4 images (100.0 %), purity 50.0 %: ") != std::string::npos);
  CHECK(text.find(", ... 3 more  (") != std::string::npos);
}

TEST_CASE("a dense model has no routes, which is one line") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  const Outcome outcome = vmoe::testing::vmoe({"routes", run, kTinyData});
  CHECK(outcome.code == 2);
  CHECK(outcome.err.find("the model is dense") != std::string::npos);
}

TEST_CASE("predict says in a line which expert looked, what it is for, and with which gate") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(train_command(run, with(kCoarse, {"--max-steps", "1"})));
  succeed({"data", kTinyData, "--export", pictures, "--count", "1"});
  const std::string text = succeed({"predict", run, pictures}).out;
  CHECK(lines_with(text, "  expert ") == 1);
  CHECK(lines_with(text, "), gate 0.") == 1);
}

TEST_CASE("a run logs what its router did with every image of an epoch and of the hold-out") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const Outcome outcome = succeed(train_command(run, kCoarse));
  const auto epochs = epochs_of(run);
  REQUIRE(epochs.size() == 3);
  for (const Json& epoch : epochs) {
    int64_t training = 0, holdout = 0;
    for (const Json& images : epoch["train_routing"]["images"]) training += images.get<int64_t>();
    for (const Json& images : epoch["holdout_routing"]["images"]) holdout += images.get<int64_t>();
    CHECK(training == 40);  // 5 steps of 8
    CHECK(holdout == 4);
    for (const char* key : {"load_entropy", "mean_entropy", "entropy", "gate"}) {
      CAPTURE(key);
      CHECK((epoch["train_routing"][key] >= 0 && epoch["train_routing"][key] <= 1));
    }
    CHECK((epoch["train_router_accuracy"] >= 0 && epoch["train_router_accuracy"] <= 1));
  }
  const Json step = Json::parse(lines_of_file(fs::path(run) / "metrics.jsonl").at(0));
  for (const char* key : {"load_entropy", "router_entropy", "gate", "idle_experts"})
    CHECK(step.contains(key));
  CHECK(lines_with(outcome.err, "epoch 2/3") == 1);
  CHECK(lines_with(outcome.err, "entropy") == 0);
  succeed(train_command((folder / "dense").string()));
  CHECK(!epochs_of((folder / "dense").string())[0].contains("train_routing"));
}

TEST_CASE("a run that was stopped in an epoch counts that epoch's images as if it had not been") {
  for (const auto& router : {kCoarse, kTokens}) {
    CAPTURE(router[1]);
    const TemporaryFolder folder;
    const std::string whole = (folder / "whole").string(), parts = (folder / "parts").string();
    succeed(train_command(whole, router));
    succeed(train_command(parts, with(router, {"--max-steps", "7", "--threads", "3"})));
    succeed(train_command(parts, with(router, {"--resume"})));
    const auto a = epochs_of(whole), b = epochs_of(parts);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].contains("train_routing"));
      for (const char* key : {"train_routing", "holdout_routing", "train_router_accuracy", "routing_problem"})
        CHECK(a[i].value(key, Json()) == b[i].value(key, Json()));
    }
  }
}

TEST_CASE("of a router of tokens, the log has the figures of every block, and warnings name it") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  // Of the 160 tokens of an epoch many experts get none; nothing moves, as below.
  const Outcome outcome = succeed(train_command(
      run, with(kTokens, {"--experts", "99", "--lr", "1e-30", "--min-lr", "0", "--balance-weight", "0"})));
  for (const Json& epoch : epochs_of(run)) {
    REQUIRE(epoch["train_routing"].size() == 2);
    REQUIRE(epoch["routing_problem"].size() == 2);
    for (size_t block = 0; block < 2; ++block) {
      const Json& routing = epoch["train_routing"][block];
      CHECK(routing["block"] == block);
      int64_t tokens = 0;
      for (const Json& count : routing["tokens"]) tokens += count.get<int64_t>();
      CHECK(tokens == 40 * 4);  // 5 steps of 8 images
      const auto line = epoch["routing_problem"][block].get<std::string>();
      CHECK(line.find(", block " + std::to_string(block) + ": ") != std::string::npos);
      CHECK(line.find("no token went to experts ") != std::string::npos);
    }
  }
  for (const char* block : {"0", "1"})
    CHECK(lines_with(outcome.err, std::string("warning: epoch 1, block ") + block + ": ") == 1);
  const Json step = Json::parse(lines_of_file(fs::path(run) / "metrics.jsonl").at(0));
  for (const char* key : {"load_entropy", "router_entropy", "gate", "idle_experts"})
    CHECK(step[key].size() == 2);
}

TEST_CASE("experts without an image bring one warning, and a line in the log of every such epoch") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  // 40 images cannot reach 60 experts. Nothing moves, so that all epochs are alike but for augmentation.
  const Outcome outcome = succeed(train_command(run, {"--router", "image", "--experts", "60", "--moe-layers",
                                                      "last:1", "--lr", "1e-30", "--min-lr", "0"}));
  CHECK(lines_with(outcome.err, "warning: epoch 1: ") == 1);
  CHECK(lines_with(outcome.err, "no image went to experts ") >= 1);
  CHECK(lines_with(outcome.err, "take fewer --experts") >= 1);
  for (const Json& epoch : epochs_of(run)) {
    CHECK(epoch["routing_problem"].get<std::string>().find("no image went to") != std::string::npos);
    CHECK(epoch["train_routing"]["least_images"] == 0);
  }
}
