// Whole runs of the program on tiny data: train, evaluate, predict, benchmark.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/build_info.h"
#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/tables.h"
#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"
#include "train/threads.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

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

TEST_CASE("a folder of data may be called [x] or [a,b]") {
  const TemporaryFolder folder;
  const std::string picture = (folder / "pictures").string();
  succeed({"data", kTinyData, "--export", picture, "--count", "1"});
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());  // a path of more than the name starts with another letter
  for (const std::string name : {"[x]", "[a,b]"}) {
    for (const char* part : {"train/cat", "train/dog", "test/cat", "test/dog"}) {
      fs::create_directories(fs::path(name) / part);
      fs::copy(fs::directory_iterator(picture)->path(), fs::path(name) / part / "1.png");
    }
    const Outcome outcome = vmoe::testing::vmoe({"data", name});
    CAPTURE(outcome.err);
    CHECK(outcome.code == 0);
  }
  fs::current_path(before);
}

TEST_CASE("a list of pictures ends its paths in line ends, or in NULs, when a name may hold a line end") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), pictures = (folder / "pictures").string();
  succeed(train_command(run, {"--max-steps", "1"}));
  succeed({"data", kTinyData, "--export", pictures, "--count", "1"});
  const fs::path source = fs::directory_iterator(pictures)->path();
  std::vector<std::string> names;
  for (const char* name : {"a.png", "b c.png", "d\ne.png"}) {
    names.push_back((folder / name).string());
    fs::copy(source, names.back());
  }
  const auto predicted = [&](const std::string& list) {
    const Outcome outcome = vmoe::testing::vmoe({"predict", run, "-", "--json"}, list);
    CHECK(outcome.code == 0);
    std::vector<std::string> paths;
    const Json json = Json::parse(outcome.out);
    for (const Json& p : json["predictions"]) paths.push_back(p["path"]);
    return paths;
  };
  const std::string nul(1, '\0');
  CHECK(predicted(names[0] + nul + names[1] + nul + names[2] + nul) == names);
  CHECK(predicted(names[0] + nul + names[2]) == std::vector<std::string>{names[0], names[2]});
  const std::vector<std::string> two = {names[0], names[1]};
  CHECK(predicted(names[0] + "\r\n\n" + names[1] + "\n") == two);
  CHECK(predicted(names[0] + "\n" + names[1]) == two);
  CHECK(predicted(names[0] + "\n" + names[1] + nul) == two);
  const Outcome long_line = vmoe::testing::vmoe({"predict", run, "-"}, std::string(70000, 'x'));
  CHECK(long_line.code == 3);
  CHECK(long_line.err.find("more than 65535 bytes") != std::string::npos);
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

TEST_CASE("a learning rate below the default of the lowest one is the lowest one, too") {
  const TemporaryFolder folder;
  const fs::path run = folder / "run";
  succeed(train_command(run.string(), {"--lr", "1e-6", "--max-steps", "1"}));
  CHECK(Json::parse(bytes_of(run / "config.json"))["min-lr"] == 1e-6);
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
