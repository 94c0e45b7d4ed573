// Whole runs of the program on tiny data: train, evaluate, divide, predict, resume.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli/build_info.h"
#include "tensor/kernels/tables.h"
#include "tensor/random.h"
#include "tests/cli/program.h"
#include "tests/support/temporary_folder.h"
#include "train/atomic_file.h"
#include "train/inference.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Outcome succeed(const std::vector<std::string>& arguments) {
  const Outcome outcome = vmoe::testing::vmoe(arguments);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  return outcome;
}

Json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Json json = Json::parse(succeed(arguments).out);
  CHECK(json["schema"] == 1);
  return json;
}

// The files that must be the same when a run was interrupted and continued.
void check_same_run(const fs::path& a, const fs::path& b) {
  for (const char* file : {"best.safetensors", "last.safetensors", "last.state.safetensors", "config.json"}) {
    CAPTURE(file);
    CHECK(!bytes_of(a / file).empty());
    CHECK(bytes_of(a / file) == bytes_of(b / file));
  }
  std::ifstream first(a / "metrics.jsonl"), second(b / "metrics.jsonl");
  for (std::string x, y; std::getline(first, x);) {
    REQUIRE(std::getline(second, y));
    CHECK(Json::parse(x)["step"] == Json::parse(y)["step"]);
    if (Json::parse(x).contains("loss")) CHECK(Json::parse(x)["loss"] == Json::parse(y)["loss"]);
  }
  CHECK(second.peek() == EOF);
}

}  // namespace

TEST_CASE("a dense baseline, its super-classes and a Mobile V-MoE, from training to prediction") {
  const TemporaryFolder folder;
  const std::string dense = (folder / "dense").string(), moe = (folder / "moe").string(),
                    division = (folder / "super.json").string(), pictures = (folder / "pictures").string();
  succeed(train_command(dense));
  succeed({"superclass", dense, kTinyData, "--experts", "2", "--output", division});
  CHECK(Json::parse(bytes_of(division))["experts"] == 2);
  succeed(train_command(
      moe, {"--router", "image", "--experts", "2", "--moe-layers", "last:1", "--super-classes", division}));

  const Json eval = json_of({"eval", moe, kTinyData, "--split", "test"});
  CHECK(eval["n"] == 16);
  for (const char* key : {"top1", "top5", "loss", "images_per_second"}) CHECK(eval[key].is_number());
  CHECK((eval["top1"] >= 0 && eval["top1"] <= 1));

  int64_t load = 0;
  for (const Json& images : eval["expert_load"]) load += images.get<int64_t>();
  CHECK(load == 16);

  const Json info = json_of({"info", moe});
  const auto names = info["experts"].get<std::vector<std::string>>();  // what each expert is for
  REQUIRE(names.size() == 2);
  CHECK(info["params"] > info["active_params"]);
  CHECK(info["flops"] > 0);
  CHECK(info["config"]["moe"]["experts"] == 2);

  succeed({"data", kTinyData, "--export", pictures, "--count", "3"});
  const Json predictions = json_of({"predict", moe, pictures, "--top", "2"})["predictions"];
  REQUIRE(predictions.size() == 3);
  for (const Json& p : predictions) {
    CHECK(p["top"].size() == 2);
    CHECK(p["top"][0]["prob"] >= p["top"][1]["prob"]);
    CHECK(p["top"][0]["class"].is_string());
    CHECK(p["top"][0]["index"].is_number_integer());
    REQUIRE(p["experts"].size() == 1);
    const int expert = p["experts"][0]["index"];
    CHECK((expert == 0 || expert == 1));
    CHECK((p["experts"][0]["gate"] > 0 && p["experts"][0]["gate"] <= 1));
    CHECK(p["experts"][0]["name"] == names[static_cast<size_t>(expert)]);
    CHECK(p["ms"] > 0);
  }
}

TEST_CASE("super-classes of every kind: clustered, capped, coarse, from a file, at random") {
  const TemporaryFolder folder;
  const std::string dense = (folder / "dense").string(), file = (folder / "super.json").string();
  succeed(train_command(dense, {"--max-steps", "2"}));
  const auto divide = [&](const std::vector<std::string>& more, const std::string& output) {
    std::vector<std::string> command = {"superclass", dense, kTinyData, "--output", output};
    command.insert(command.end(), more.begin(), more.end());
    return json_of(command);
  };
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--experts", "2"},
                                                {"--experts", "2", "--method", "agglomerative"},
                                                {"--coarse"}}) {
    const Json json = divide(flags, file);
    CHECK(json["experts"] == 2);
    CHECK(json["super_classes"].size() == 2);
    CHECK(json["sizes"][0].get<int>() + json["sizes"][1].get<int>() == 4);
    CHECK((json["modularity"].is_number() && json["random_inside_share"]["mean"].is_number()));
  }
  const std::string coarse = bytes_of(file);  // with names and report
  CHECK(bytes_of(folder / "super.png").starts_with("\x89PNG"));

  // Judged again, it is the same.
  const std::string again = (folder / "again").string(), picture = (folder / "elsewhere.png").string();
  divide({"--from", file, "--picture", picture}, again);
  CHECK(bytes_of(again) == coarse);
  CHECK(bytes_of(picture) == bytes_of(folder / "super.png"));
  CHECK(!fs::exists(folder / "again.png"));

  // A cap, on a file made by hand; names would stay, here there are none.
  std::ofstream(folder / "hand.json") << R"({"schema":1,"experts":2,"classes":)"
                                      << Json::parse(coarse)["classes"] << R"(,"super_class":[0,0,0,1]})";
  const std::string hand = (folder / "hand.json").string();
  CHECK(divide({"--from", hand}, again)["sizes"] == Json({3, 1}));
  CHECK(divide({"--from", hand, "--max-size", "2"}, again)["sizes"] == Json({2, 2}));

  // Random ones have the sizes of the division, and no names.
  std::set<std::string> drawn;
  for (const char* seed : {"1", "2", "3", "4", "5", "6"}) {
    Json json = divide({"--from", hand, "--random", "--seed", seed}, again);
    CHECK(json["sizes"].get<std::vector<int>>().size() == 2);
    CHECK(json["sizes"][0].get<int>() * json["sizes"][1].get<int>() == 3);
    CHECK(json["names"].empty());
    drawn.insert(json["super_classes"].dump());
  }
  CHECK(drawn.size() > 1);
  CHECK(divide({"--coarse", "--random"}, again)["names"].empty());
  CHECK(succeed({"superclass", dense, kTinyData, "--coarse", "--output", file}).out.find("(2): ") !=
        std::string::npos);

  const auto refuse = [&](std::vector<std::string> flags, int code, const std::string& words) {
    std::vector<std::string> command = {"superclass", dense, kTinyData, "--output", again};
    command.insert(command.end(), flags.begin(), flags.end());
    const Outcome outcome = vmoe::testing::vmoe(command);
    CAPTURE(outcome.err);
    CHECK(outcome.code == code);
    CHECK(outcome.err.find(words) != std::string::npos);
  };
  refuse({"--coarse", "--from", file}, 2, "--coarse and --from");
  refuse({"--coarse", "--method", "spectral"}, 2, "--method spectral");
  refuse({"--from", file, "--experts", "3"}, 2, "give --experts 2");
  refuse({"--experts", "3", "--max-size", "1"}, 2, "at least 2");
  refuse({"--experts", "2", "--max-size", "0"}, 2, "--max-size is '0'");
  refuse({"--experts", "2", "--picture", again}, 2, "--picture FILE");
  refuse({"--experts", "2", "--picture", (folder / "no" / "p.png").string()}, 4, "p.png");
  refuse({"--from", (folder / "none.json").string()}, 4, "none.json");
}

TEST_CASE("a run says which augmentation it has, and is resumed with the same one only") {
  const TemporaryFolder folder;
  const std::string plain = (folder / "plain").string(), augmented = (folder / "augmented").string();
  const std::vector<std::string> flags = {"--rand-augment-ops", "2",   "--rand-augment-magnitude", "7",
                                          "--random-erasing",   "0.25"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), flags.begin(), flags.end());
    return more;
  };
  succeed(train_command(plain, {"--max-steps", "1"}));
  succeed(train_command(augmented, with({"--max-steps", "1"})));
  const Json off = Json::parse(bytes_of(fs::path(plain) / "config.json")),
             on = Json::parse(bytes_of(fs::path(augmented) / "config.json"));
  // Off is not written, so that runs made before there was such a setting can be resumed.
  for (const char* key : {"rand-augment-ops", "rand-augment-magnitude", "random-erasing"}) {
    CHECK(off.dump().find(key) == std::string::npos);
    CHECK(on.dump().find(key) != std::string::npos);
  }
  CHECK(bytes_of(fs::path(plain) / "last.safetensors") != bytes_of(fs::path(augmented) / "last.safetensors"));
  succeed(train_command(plain, {"--resume"}));
  succeed(train_command(augmented, with({"--resume"})));
  const Outcome added = vmoe::testing::vmoe(train_command(plain, with({"--resume"})));
  CHECK(
      (added.code == 2 && added.err.find("rand-augment-ops is 2, but the run has none") < added.err.size()));
  const Outcome left_out = vmoe::testing::vmoe(train_command(augmented, {"--resume"}));
  CHECK((left_out.code == 2 && left_out.err.find("the run has rand-augment-ops 2") < left_out.err.size()));
}

TEST_CASE("a run with every augmentation is the same for any number of threads") {
  const TemporaryFolder folder;
  std::vector<std::string> runs;
  for (const char* threads : {"1", "2", "3"}) {
    runs.push_back((folder / threads).string());
    succeed(train_command(runs.back(), {"--rand-augment-ops", "2", "--random-erasing", "0.5", "--mixup",
                                        "0.5", "--cutmix", "1", "--threads", threads}));
    check_same_run(runs.front(), runs.back());
  }
}

TEST_CASE("a bad picture in a list is named, the rest is predicted, and the exit code is 3") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(train_command(run));
  succeed({"data", kTinyData, "--export", pictures, "--count", "2"});
  std::ofstream(folder / "bad.png") << "not a picture";
  std::string list = (folder / "bad.png").string() + "\n";
  for (const auto& file : fs::directory_iterator(pictures)) list += file.path().string() + "\n";
  const Outcome outcome = vmoe::testing::vmoe({"predict", run, "-", "--json"}, list);
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find("bad.png") != std::string::npos);
  CHECK(Json::parse(outcome.out)["predictions"].size() == 2);
}

TEST_CASE("whatever a picture is called, its error is one line; folders called like pictures are left out") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(train_command(run));
  succeed({"data", kTinyData, "--export", pictures, "--count", "1"});
  fs::create_directory(folder / "pictures" / "folder.png");
  std::ofstream(folder / "pictures" / "two\nlines\x1b[2J.png") << "not a picture";
  const Outcome outcome = vmoe::testing::vmoe({"predict", run, pictures, "--json"});
  CHECK(outcome.code == 3);
  CHECK(outcome.err.starts_with("vmoe: "));
  CHECK(outcome.err.find("two?lines?[2J.png") != std::string::npos);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(Json::parse(outcome.out)["predictions"].size() == 1);
}

TEST_CASE("a list of pictures that cannot be read is an error, an empty one is not") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run));
  CHECK(vmoe::testing::vmoe({"predict", run, "-"}, "").code == 0);
  struct Broken : std::streambuf {
    int_type underflow() override { throw std::ios_base::failure("no"); }
  } broken;
  std::istream in(&broken);
  std::ostringstream out, err;
  vmoe::Streams streams{in, out, err};
  const std::vector<std::string> arguments = {"predict", run, "-"};
  CHECK(vmoe::run_program(arguments, streams) == 4);
  CHECK(err.str().find("standard input") != std::string::npos);
}

TEST_CASE("a model is not evaluated on a data set with other classes") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run));
  const Outcome outcome =
      vmoe::testing::vmoe({"eval", run, "synthetic:families=3,details=2,train=4,test=2,size=8"});
  CHECK((outcome.code == 2 || outcome.code == 3));
  CHECK(outcome.err.find("classes") != std::string::npos);
}

TEST_CASE("a folder that holds a run needs --resume or --overwrite") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run));
  const std::string before = bytes_of(folder / "run" / "last.safetensors");
  const Outcome refused = vmoe::testing::vmoe(train_command(run));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("--resume") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.safetensors") == before);
  succeed(train_command(run, {"--overwrite"}));
  succeed(train_command(run, {"--resume"}));  // finished: nothing to do
  CHECK(bytes_of(folder / "run" / "last.safetensors") == before);
}

TEST_CASE("a resumed run ends in the same bytes as one that never stopped, with other threads too") {
  // The balance loss of a step takes the load of the one before, which may be another call's.
  const std::vector<std::vector<std::string>> routings = {
      {"--router", "image", "--super-classes", "coarse", "--moe-layers", "last:1"},
      {"--router", "image", "--experts", "3", "--balance-weight", "2"},
      {"--router", "token", "--experts", "3", "--balance-weight", "2", "--top-k", "2", "--renormalise"}};
  for (const auto& routing : routings) {
    CAPTURE(routing[3]);
    const TemporaryFolder folder;
    const auto command = [&](const char* name, std::vector<std::string> more) {
      more.insert(more.end(), routing.begin(), routing.end());
      more.insert(more.end(), {"--dropout", "0.1", "--mixup", "0.2", "--ema", "0.9"});
      return train_command((folder / name).string(), more);
    };
    succeed(command("whole", {"--threads", "1"}));
    succeed(command("parts", {"--max-steps", "2", "--threads", "2"}));
    succeed(command("parts", {"--max-steps", "7", "--threads", "3", "--resume"}));
    succeed(command("parts", {"--threads", "2", "--resume"}));
    check_same_run(folder / "whole", folder / "parts");
  }
}

TEST_CASE("a run of an earlier version, whose settings lack later keys, is resumed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), whole = (folder / "whole").string();
  const std::vector<std::string> moe = {"--router", "image", "--super-classes", "coarse"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), moe.begin(), moe.end());
    return more;
  };
  succeed(train_command(whole, with({})));
  succeed(train_command(run, with({"--max-steps", "4"})));
  // Blanks of the same number leave every offset as it is.
  const fs::path state = folder / "run" / "last.state.safetensors";
  std::string bytes = bytes_of(state);
  for (const std::string key : {R"(\"renormalise\":false,)", R"(\"shared_expert\":false,)",
                                R"(,\"balance_weight\":0.0)", R"(,\"expert_load\":[])"}) {
    CAPTURE(key);
    const size_t at = bytes.find(key);
    REQUIRE(at != std::string::npos);
    bytes.replace(at, key.size(), std::string(key.size(), ' '));
  }
  std::ofstream(state, std::ios::binary) << bytes;
  succeed(train_command(run, with({"--resume"})));
  CHECK(bytes_of(folder / "run" / "last.safetensors") == bytes_of(folder / "whole" / "last.safetensors"));
}

TEST_CASE("a model that routes tokens goes from training to prediction") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(
      train_command(run, {"--router", "token", "--experts", "3", "--top-k", "2", "--moe-layers", "every:2"}));
  const Json eval = json_of({"eval", run, kTinyData, "--split", "test"});
  int64_t load = 0;
  for (const Json& tokens : eval["expert_load"]) load += tokens.get<int64_t>();
  CHECK(load == 16 * 4 * 2);  // images, tokens, choices; one block
  succeed({"data", kTinyData, "--export", pictures, "--count", "2"});
  const Json predicted = json_of({"predict", run, pictures});
  for (const Json& p : predicted["predictions"]) {
    CHECK((p["experts"].size() >= 2 && p["experts"].size() <= 3));
    double gates = 0;
    for (const Json& expert : p["experts"]) gates += expert["gate"].get<double>();
    CHECK((gates > 0 && gates <= 1 + 1e-6));
  }
}

TEST_CASE("end-to-end training says when its router cannot learn, or nothing balances it") {
  const TemporaryFolder folder;
  const auto warnings = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"--router", "image", "--experts", "2", "--max-steps", "1", "--overwrite"});
    return succeed(train_command((folder / "run").string(), more)).err;
  };
  CHECK(warnings({"--renormalise"}).find("learns nothing from the classifier's loss") != std::string::npos);
  CHECK(warnings({"--balance-weight", "0"}).find("nothing keeps the router") != std::string::npos);
  const std::string quiet = warnings({});
  CHECK(quiet.find("warning") == std::string::npos);
  const Json config = json_of({"info", (folder / "run").string()})["config"]["moe"];
  CHECK(config["balance_weight"] == 0.01);
}

TEST_CASE("a run that is resumed with another setting is refused, and its files stay") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "4"}));
  const std::string before = bytes_of(folder / "run" / "last.state.safetensors");
  const Outcome refused = vmoe::testing::vmoe(train_command(run, {"--resume", "--lr", "0.5"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("lr") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.state.safetensors") == before);
}

TEST_CASE("what differs from the run is named, also within the model") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  const auto refusal = [&](const std::vector<std::string>& more) {
    std::vector<std::string> flags = {"--resume"};
    flags.insert(flags.end(), more.begin(), more.end());
    const Outcome outcome = vmoe::testing::vmoe(train_command(run, flags));
    CHECK(outcome.code == 2);
    return outcome.err;
  };
  CHECK(refusal({"--mlp-dim", "32"}).find("mlp_dim is 32, but the run has 16") != std::string::npos);
  CHECK(refusal({"--holdout", "0.4"}).find("holdout is 0.4, but the run has 0.1") != std::string::npos);
  CHECK(refusal({"--isa", "plain"}).find("isa is \"plain\", but the run has \"") != std::string::npos);
}

TEST_CASE("info says which instruction set runs, of which, and what the processor has") {
  vmoe::use_kernels("auto");  // another test may have chosen one
  const Json build = json_of({"info"})["build"];
  std::vector<std::string> built;
  for (const vmoe::Kernels* table : vmoe::built_kernels()) built.push_back(table->name);
  CHECK(build["isas_built"] == built);
  CHECK(build["isas"].back() == build["isa"]);
  CHECK(build["compiled_for"].is_string());
  for (const auto& [name, feature] : vmoe::cpu_feature_names())
    CHECK(build["cpu"][name] == vmoe::cpu_features().*feature);
  const std::string text = succeed({"info"}).out;
  for (const char* part :
       {"\n  instructions ", ": the widest of plain, baseline", "\n  processor ", "\n  precisions "})
    CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("info names the kernels that failed their proof on this machine, where there are any") {
  Json info = vmoe::build_info();
  CHECK(info["precisions_refused"] == Json::array());
  CHECK(vmoe::build_text(info).find("\n  not used") == std::string::npos);
  info["precisions_refused"] = {"int8 (amx)", "bf16 (amx)"};
  CHECK(vmoe::build_text(info).find(
            "\n  not used     int8 (amx), bf16 (amx): computes otherwise here than") != std::string::npos);
}

TEST_CASE("eval at a lower precision says how far its figures are from those of fp32") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run));
  const Json full = json_of({"eval", run, kTinyData});
  CHECK(full["precision"] == "fp32");
  CHECK(!full.contains("fp32"));
  const Json narrow = json_of({"eval", run, kTinyData, "--precision", "int8"});
  CHECK(narrow["precision"] == "int8");
  for (const char* key : {"top1", "top5", "loss"}) CHECK(narrow["fp32"][key] == full[key]);
  CHECK(narrow["loss"] != full["loss"]);
  CHECK(narrow["top1_difference"] == narrow["top1"].get<double>() - full["top1"].get<double>());
  CHECK(json_of({"eval", run, kTinyData, "--precision", "int8", "--threads", "3"})["loss"] == narrow["loss"]);
  const std::string text = succeed({"eval", run, kTinyData, "--precision", "int8"}).out;
  CHECK(text.find("int8 instead of fp32: top-1 ") != std::string::npos);
  json_of({"bench", "infer", "--model", "fashion64", "--seconds", "0", "--precision", "auto"});
}

TEST_CASE("a run in bf16 says so, is resumed to the same bytes, and never in another precision") {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const std::vector<std::string> bf16 = {"--isa", "plain", "--precision", "bf16"};
  const auto with = [&](std::vector<std::string> flags) {
    flags.insert(flags.end(), bf16.begin(), bf16.end());
    return flags;
  };
  const Outcome whole = succeed(train_command(path("whole"), bf16));
  CHECK(whole.err.find(" threads, bf16") != std::string::npos);
  const Json settings = Json::parse(bytes_of(folder / "whole" / "config.json"));
  CHECK(settings["precision"] == "bf16");
  CHECK(settings["precision-isa"] == "plain");

  succeed(train_command(path("parts"), with({"--max-steps", "7", "--threads", "1"})));
  const Outcome refused = vmoe::testing::vmoe(train_command(path("parts"), {"--resume", "--isa", "plain"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("precision is \"fp32\", but the run has \"bf16\"") != std::string::npos);
  succeed(train_command(path("parts"), with({"--resume", "--threads", "3"})));
  check_same_run(folder / "whole", folder / "parts");

  std::ofstream(folder / "recipe.toml") << "precision = \"bf16\"\nisa = \"plain\"\n";
  succeed(train_command(path("recipe"), {"-c", path("recipe.toml")}));
  check_same_run(folder / "whole", folder / "recipe");

  succeed(train_command(path("full"), {"--isa", "plain"}));
  CHECK(bytes_of(folder / "full" / "last.safetensors") != bytes_of(folder / "whole" / "last.safetensors"));
  const Outcome narrower = vmoe::testing::vmoe(train_command(path("full"), with({"--resume"})));
  CHECK(narrower.err.find("precision is \"bf16\", but the run has \"fp32\"") != std::string::npos);
}

TEST_CASE("a run from before there was a choice of precision was in fp32, and is resumed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const fs::path file = folder / "run" / "last.state.safetensors";
  succeed(train_command(run, {"--max-steps", "1"}));
  std::string state = bytes_of(file);
  const std::string entries = R"(,\"precision\":\"fp32\",\"precision-isa\":\"none\")";
  const size_t at = state.find(entries);
  REQUIRE(at != std::string::npos);
  state.replace(at, entries.size(), std::string(entries.size(), ' '));
  std::ofstream(file, std::ios::binary) << state;
  const Outcome refused =
      vmoe::testing::vmoe(train_command(run, {"--resume", "--isa", "plain", "--precision", "bf16"}));
  CHECK(refused.code == 2);
  succeed(train_command(run, {"--max-steps", "2", "--resume"}));
}

TEST_CASE("a run from before there was a choice of precision was in fp32, and is resumed") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  const fs::path file = folder / "run" / "last.state.safetensors";
  succeed(train_command(run, {"--max-steps", "1", "--isa", "plain"}));
  std::string state = bytes_of(file);
  const std::string entries = R"(,\"precision\":\"fp32\",\"precision-isa\":\"none\")";
  const size_t at = state.find(entries);
  REQUIRE(at != std::string::npos);
  state.replace(at, entries.size(), std::string(entries.size(), ' '));
  std::ofstream(file, std::ios::binary) << state;
  const Outcome refused = vmoe::testing::vmoe(
      train_command(run, {"--max-steps", "2", "--resume", "--isa", "plain", "--precision", "bf16"}));
  CHECK(refused.err.find("precision is \"bf16\", but the run has \"fp32\"") != std::string::npos);
  succeed(train_command(run, {"--max-steps", "2", "--resume", "--isa", "plain"}));
}

TEST_CASE("training is benchmarked and planned in bf16") {
  const Json bench = json_of({"bench", "train", "--model", "fashion64", "--depth", "1", "--batch-size", "2",
                              "--seconds", "0", "--threads", "1", "--isa", "plain", "--precision", "bf16"});
  CHECK(bench["precision"] == "bf16");
  const auto plan = [&](const char* precision) {
    return json_of({"plan", kTinyData, "--dim", "32", "--depth", "1", "--heads", "2", "--mlp-dim", "64",
                    "--calibrate", "0", "--isa", "plain", "--precision", precision});
  };
  const Json narrow = plan("bf16"), full = plan("fp32");
  CHECK(narrow["precision"] == "bf16");
  CHECK(full["precision"] == "fp32");
  CHECK(narrow["memory"]["packed"] < full["memory"]["packed"]);
  CHECK(narrow["memory"]["evaluation"] > 0);
}

TEST_CASE("a run remembers which instruction set auto became, and another machine's auto is refused") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  const std::string widest = vmoe::available_kernels().back()->name;
  CHECK(Json::parse(bytes_of(folder / "run" / "config.json"))["isa"] == widest);
  succeed(train_command(run, {"--max-steps", "2", "--resume", "--isa", widest}));
  succeed(train_command(run, {"--max-steps", "3", "--resume", "--isa", "auto"}));
  // As a narrower machine left it.
  succeed(train_command(run, {"--max-steps", "1", "--overwrite", "--isa", "plain"}));
  const Outcome refused = vmoe::testing::vmoe(train_command(run, {"--resume"}));
  CHECK(refused.code == 2);
  CHECK(refused.err.find("isa is \"" + widest + "\", but the run has \"plain\"") != std::string::npos);
}

TEST_CASE("more threads than processors or lanes give the same bytes and one line that says so") {
  const TemporaryFolder folder;
  succeed(train_command((folder / "one").string(), {"--threads", "1"}));
  const auto warnings = [](const Outcome& outcome) {
    std::istringstream lines(outcome.err);
    std::vector<std::string> found;
    for (std::string line; std::getline(lines, line);) {
      if (line.find("--threads") != std::string::npos) found.push_back(line);
    }
    return found;
  };
  const Outcome many = succeed(train_command((folder / "many").string(), {"--threads", "300"}));
  check_same_run(folder / "one", folder / "many");
  REQUIRE(warnings(many).size() == 1);
  CHECK(warnings(many)[0].find("--threads 300: only 4 have work, as a batch has that many lanes") !=
        std::string::npos);
  const std::string more = std::to_string(vmoe::default_threads() + 1);
  const Outcome evaluated = succeed({"eval", (folder / "one").string(), kTinyData, "--threads", more});
  REQUIRE(warnings(evaluated).size() == 1);
  CHECK(warnings(evaluated)[0].find("more than the " + std::to_string(vmoe::default_threads()) +
                                    " processors") != std::string::npos);
  CHECK(evaluated.out.substr(0, evaluated.out.rfind(',')) ==
        succeed({"eval", (folder / "one").string(), kTinyData}).out.substr(0, evaluated.out.rfind(',')));
  CHECK(warnings(succeed({"eval", (folder / "one").string(), kTinyData, "--threads", "1"})).empty());
}

TEST_CASE("a state or a log that is none ends a resumed run in one line") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  succeed(train_command(run.string(), {"--max-steps", "1"}));
  const auto resume = [&] { return vmoe::testing::vmoe(train_command(run.string(), {"--resume"})); };
  const std::string state = bytes_of(run / "last.state.safetensors");
  for (const char* settings : {"[]", "null", "7", "{}"}) {
    CAPTURE(settings);
    const std::string entry =
        std::string(R"({"__metadata__":{"vmoe":"{\"schema\":1,\"state\":{},\"settings\":)") + settings +
        "}\"}}";
    std::ofstream(run / "last.state.safetensors", std::ios::binary)
        << static_cast<char>(entry.size()) << std::string(7, '\0') << entry;
    const Outcome outcome = resume();
    CHECK(outcome.code == 2);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  }
  std::ofstream(run / "last.state.safetensors", std::ios::binary) << state;
  fs::remove(run / "metrics.jsonl");
  REQUIRE(mkfifo((run / "metrics.jsonl").c_str(), 0600) == 0);
  const Outcome outcome = resume();
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find("metrics.jsonl': it is a pipe") != std::string::npos);
}

TEST_CASE("class names and paths that are not UTF-8 can be trained on, evaluated and resumed") {
  const TemporaryFolder folder;
  const std::string data = (folder / "\xe4").string(), run = (folder / "run").string();
  for (const char* name : {"train/a", "train/b\xff"})
    succeed({"data", kTinyData, "--export", data + "/" + name, "--count", "4"});
  std::vector<std::string> command = train_command(run, {"--max-steps", "1"});
  command[1] = data;
  succeed(command);
  command.push_back("--resume");
  succeed(command);
  CHECK(json_of({"eval", run, data, "--split", "train"})["n"] == 6);
}

TEST_CASE("the folder of a run is called like the data, also where the path ends in dots") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  for (const char* name : {"train/a", "train/b"})
    succeed({"data", kTinyData, "--export", (folder / "pets" / name).string(), "--count", "2"});
  fs::current_path(folder / "pets" / "train");
  const Outcome outcome = vmoe::testing::vmoe(
      {"train", "..", "--dim", "16", "--depth", "1", "--heads", "2", "--epochs", "1", "--json"});
  fs::current_path(before);
  REQUIRE(outcome.code == 0);
  CHECK(Json::parse(outcome.out)["output"] == "runs/pets");
}

TEST_CASE("an image that breaks in the middle of training is named, and the run's files stay") {
  const TemporaryFolder folder;
  const std::string data = (folder / "data").string(), run = (folder / "run").string();
  for (const char* name : {"train/a", "train/b"})
    succeed({"data", kTinyData, "--export", data + "/" + name, "--count", "16"});
  std::vector<std::string> command = train_command(run, {"--max-steps", "4"});
  command[1] = data;
  succeed(command);
  const std::string before = bytes_of(folder / "run" / "last.state.safetensors");
  fs::path last;
  for (const auto& file : fs::directory_iterator(folder / "data" / "train" / "b")) last = file.path();
  std::string png = bytes_of(last);
  png[png.size() / 2] ^= 0x55;  // in the pixels: the header is good
  std::ofstream(last, std::ios::binary) << png;
  command.pop_back();
  command.back() = "--resume";
  const Outcome outcome = vmoe::testing::vmoe(command);
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find(last.string() + ", byte ") != std::string::npos);
  CHECK(bytes_of(folder / "run" / "last.state.safetensors") == before);
}

TEST_CASE(
    "a disk that fills up at any moment of a run leaves whole files, and the run goes on to the same bytes") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--epochs", "2", "--threads", "1"};
  succeed(train_command((folder / "whole").string(), settings));
  std::vector<std::string> again = settings;
  again.push_back("--resume");
  const auto command = train_command((folder / "full").string(), again);
  int code = 4;
  for (int writes = 0; code != 0; writes += 7) {
    int left = writes;
    vmoe::set_file_fault(
        [&](vmoe::FileCall call) { return call == vmoe::FileCall::write && left-- <= 0 ? ENOSPC : 0; });
    const Outcome outcome = vmoe::testing::vmoe(command);
    vmoe::set_file_fault({});
    code = outcome.code;
    CHECK((code == 0 || (code == 4 && outcome.err.find("the disk is full") != std::string::npos)));
    for (const auto& file : fs::directory_iterator(folder / "full")) {
      CHECK(file.path().extension() != ".tmp");
      if (file.path().string().ends_with("t.safetensors")) succeed({"info", file.path().string()});
    }
  }
  check_same_run(folder / "whole", folder / "full");
}

TEST_CASE("--resume without a checkpoint starts from the beginning") {
  const TemporaryFolder folder;
  succeed(train_command((folder / "a").string()));
  succeed(train_command((folder / "b").string(), {"--resume"}));
  check_same_run(folder / "a", folder / "b");
}

TEST_CASE("a run that was killed at any moment goes on to the same bytes") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--save-every", "0", "--threads", "1"};
  succeed(train_command((folder / "whole").string(), settings));
  std::vector<std::string> again = settings;
  again.push_back("--resume");
  const auto command = train_command((folder / "killed").string(), again);
  vmoe::Random random(5, vmoe::Stream::test);
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(vmoe::testing::vmoe(command).code);
    usleep(1000 * (2 + random.below(60)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
  }
  succeed(command);
  check_same_run(folder / "whole", folder / "killed");
}

TEST_CASE("what a recipe says the command line may change") {
  const TemporaryFolder folder;
  std::ofstream(folder / "r.toml")
      << "epochs = 2\ndim = 16\ndepth = 1\nheads = 2\nmlp-dim = 16\nbatch-size = 8\n";
  const std::string recipe = (folder / "r.toml").string(), run = (folder / "run").string();
  succeed({"train", kTinyData, "-c", recipe, "--epochs", "1", "--output", run});
  const Json config = Json::parse(bytes_of(folder / "run" / "config.json"));
  CHECK(config["epochs"] == 1);
  CHECK(config["model"]["config"]["vit"]["dim"] == 16);
}

TEST_CASE("benchmarks print the documented figures") {
  const Json train = json_of({"bench", "train", "--model", "fashion64", "--depth", "1", "--batch-size", "4",
                              "--seconds", "0.01", "--threads", "2"});
  for (const char* key : {"images_per_second", "p50_ms", "p95_ms", "min_ms", "peak_rss_mb", "flops_per_image",
                          "gflops", "peak_gflops", "peak_fraction", "steps"}) {
    CAPTURE(key);
    CHECK(train[key] > 0);
  }
  CHECK(train["rounds"].size() == 5);
  CHECK(train["spread"][0] <= train["images_per_second"]);
  CHECK(train["images_per_second"] <= train["spread"][1]);
  CHECK(train["precision"] == "fp32");
  CHECK_FALSE(train.contains("breakdown"));
  const Json infer = json_of({"bench", "infer", "--model", "fashion64", "--depth", "1", "--batch-size", "1",
                              "--seconds", "0.01", "--threads", "2"});
  CHECK(infer["images_per_second"] > 0);
}

TEST_CASE("a breakdown adds up to the step, and says what is no kernel") {
  const std::vector<std::string> command = {
      "bench", "train",     "--model", "fashion64", "--depth", "1",          "--batch-size",
      "4",     "--seconds", "0",       "--threads", "2",       "--breakdown"};
  const Json result = json_of(command);
  double share = 0;
  for (const Json& row : result["breakdown"]) share += row["share"].get<double>();
  CHECK(std::abs(share - 1) <= 1e-9);
  CHECK(result["breakdown"].back()["kernel"] == "elsewhere");
  CHECK(result["breakdown"].back()["share"] >= 0);
  const Outcome text = succeed(command);
  for (const char* word : {"gemm Y = X W^T", "adamw", "elsewhere", "of the peak of"}) {
    CAPTURE(word);
    CHECK(text.out.find(word) != std::string::npos);
  }
}

TEST_CASE("the products of a model are benchmarked one by one") {
  const std::vector<std::string> command = {"bench", "gemm",      "--model", "fashion64", "--batch-size",
                                            "1",     "--seconds", "0",       "--rounds",  "1"};
  const Json result = json_of(command);
  CHECK(result["threads"] == 1);
  CHECK(result["products"].size() == 20);
  CHECK(result["products"][0]["layer"] == "patches");
  CHECK(result["products"][0]["gflops"] > 0);
  CHECK(succeed(command).out.find("Y = P V") != std::string::npos);
}

TEST_CASE("Ctrl-C ends a run with a whole checkpoint and exit code 130, and it can be continued") {
  const TemporaryFolder folder;
  const std::vector<std::string> settings = {"--threads", "1", "--epochs", "100"};
  succeed(train_command((folder / "whole").string(), settings));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    signal(SIGINT, SIG_DFL);  // not the test framework's handler
    std::thread([] {
      struct sigaction now {};
      do sigaction(SIGINT, nullptr, &now);
      while (now.sa_handler == SIG_DFL);  // until the run listens
      kill(getpid(), SIGINT);
    }).detach();
    _exit(vmoe::testing::vmoe(train_command((folder / "stopped").string(), settings)).code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  auto again = settings;
  again.push_back("--resume");
  succeed(train_command((folder / "stopped").string(), again));
  check_same_run(folder / "whole", folder / "stopped");
}

TEST_CASE("info, plan and bench take the flags of a mixture, and say what is routed where") {
  const std::vector<std::string> flags = {"--router",         "image",
                                          "--experts",        "4",
                                          "--top-k",          "2",
                                          "--moe-layers",     "every:2",
                                          "--renormalise",    "--shared-expert",
                                          "--pool",           "cls",
                                          "--router-pool",    "cls",
                                          "--balance-weight", "0.5"};
  const auto with = [&](std::vector<std::string> command) {
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  };
  const Json info = json_of(with({"info", "fashion64"}));
  const std::vector<int> blocks = info["moe_blocks"];
  CHECK(blocks.front() == 1);
  const Json& moe = info["config"]["moe"];
  CHECK(moe["moe_layers"] == "every:2");
  CHECK(moe["renormalise"] == true);
  CHECK(moe["shared_expert"] == true);
  CHECK(moe["router_pool"] == "cls");
  CHECK(moe["balance_weight"] == 0.5);
  CHECK((info["routed_flops"] > 0 && info["routed_flops"] < info["flops"]));
  const std::string text = succeed(with({"info", "fashion64"})).out;
  for (const char* part : {"Mixture: router image, E = 4, k = 2, L = ", "(blocks 1, 3", "a shared expert",
                           "of the FLOPs are in routed experts", "blocks.1.moe.shared"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
  for (const char* mode : {"train", "infer"}) {
    const Json bench =
        json_of(with({"bench", mode, "--model", "fashion64", "--seconds", "0", "--batch-size", "4"}));
    CHECK(bench["config"]["moe"] == moe);
    CHECK(bench["flops_per_image"] == info["flops"].get<double>() * (mode == std::string("train") ? 3 : 1));
  }
  const TemporaryFolder folder;
  std::vector<std::string> plan = with(train_command((folder / "run").string()));
  plan[0] = "plan";
  plan.insert(plan.end(), {"--calibrate", "0.02"});
  CHECK(succeed(plan).out.find("router image, E = 4, k = 2, L = 1 (block 1)") != std::string::npos);
  CHECK(json_of(plan)["moe_blocks"] == std::vector<int>{1});
}

TEST_CASE("bench trains and predicts with a router of tokens, spread evenly or as it likes") {
  for (const char* routing : {"even", "learned"}) {
    for (const char* mode : {"train", "infer"}) {
      const Json bench = json_of({"bench", mode, "--model", "fashion64", "--router", "token", "--experts",
                                  "4", "--routing", routing, "--seconds", "0", "--batch-size", "4"});
      CHECK(bench["images_per_second"] > 0);
    }
  }
}
