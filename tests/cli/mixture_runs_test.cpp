// Whole runs of mixtures on tiny data: super-classes, routers of images and tokens, from training to
// prediction.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tensor/random.h"
#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

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

TEST_CASE("a warning is one line that starts as every complaint does, whatever a class is called") {
  const TemporaryFolder folder;
  const fs::path data = folder / "data", pictures = folder / "pictures";
  const std::string dense = (folder / "dense").string();
  succeed({"data", kTinyData, "--export", pictures.string(), "--count", "12"});
  const std::string odd = "d\n\x1b[2J";
  for (const std::string& name : {std::string("a"), std::string("b"), std::string("c"), odd}) {
    fs::create_directories(data / "train" / name);
    int count = 0;
    for (const auto& file : fs::directory_iterator(pictures)) {
      if (name == odd && count == 1) break;  // one image, which the hold-out does not take
      fs::copy(file.path(), data / "train" / name / (std::to_string(count++) + ".png"));
    }
    fs::create_directories(data / "test" / name);
    fs::copy(data / "train" / name / "0.png", data / "test" / name / "0.png");
  }
  std::vector<std::string> train = train_command(dense, {"--max-steps", "1"});
  train[1] = data.string();
  succeed(train);
  const Outcome outcome = succeed(
      {"superclass", dense, data.string(), "--experts", "2", "--output", (folder / "super.json").string()});
  CHECK(outcome.err.starts_with("vmoe: warning: "));
  CHECK(count_of(outcome.err, "\n") == 1);
  CHECK(outcome.err.find("d??[2J") != std::string::npos);
  for (std::string warned : {"train", "plan"}) {
    std::vector<std::string> command =
        train_command((folder / "run").string(), {"--router", "image", "--experts", "2", "--renormalise"});
    command[0] = warned;
    command.insert(command.end(), {"--max-steps", "1"});
    CHECK(succeed(command).err.find("vmoe: warning: --top-k 1 with --renormalise") != std::string::npos);
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

TEST_CASE("a model that routes tokens goes from training to prediction") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(
      train_command(run, {"--router", "token", "--experts", "3", "--top-k", "2", "--moe-layers", "every:2"}));
  const Json eval = json_of({"eval", run, kTinyData, "--split", "test"});
  int64_t load = 0;
  REQUIRE(eval["expert_load"].size() == 1);  // one block
  for (const Json& tokens : eval["expert_load"][0]) load += tokens.get<int64_t>();
  CHECK(load == 16 * 4 * 2);  // images, tokens, choices
  const std::string experts = succeed({"eval", run, kTinyData}).out;
  CHECK(experts.find("\nblock 1\n  expert 0: ") != std::string::npos);
  CHECK(experts.find(" tokens, ") != std::string::npos);
  const Json routes = json_of({"routes", run, kTinyData});
  CHECK(routes["routing"] == eval["routing"]);
  CHECK(routes["unit"] == "token");
  REQUIRE(routes["blocks"].size() == 1);
  load = 0;
  for (const Json& expert : routes["blocks"][0]["experts"]) load += expert["units"].get<int64_t>();
  CHECK(load == 16 * 4 * 2);
  const std::string text = succeed({"routes", run, kTinyData}).out;
  CHECK(text.find("16 images (test), every token to 2 of 3 experts in each block with experts\n") == 0);
  CHECK(text.find("\nblock 1\n  load: entropy ") != std::string::npos);
  const Outcome csv = vmoe::testing::vmoe({"routes", run, kTinyData, "--csv", (folder / "a.csv").string()});
  CHECK(csv.code == 2);
  CHECK(csv.err.find("--csv: a row is an image") != std::string::npos);
  CHECK(!fs::exists(folder / "a.csv"));
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
  CHECK(json_of({"eval", (folder / "run").string(), kTinyData})["router_accuracy"].is_null());
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
