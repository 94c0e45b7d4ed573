// What the program says about wrong usage and bad files: one readable line and the documented exit code.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tensor/kernels/kernels.h"
#include "tests/cli/program.h"
#include "tests/support/fixture.h"
#include "tests/support/temporary_folder.h"
#include "train/version.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

// Runs the command and requires the exit code and one line on standard error that holds every part.
void check_error(const std::vector<std::string>& arguments, int code, const std::vector<std::string>& parts) {
  const Outcome outcome = vmoe::testing::vmoe(arguments);
  CAPTURE(outcome.err);
  CHECK(outcome.code == code);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.err.starts_with("vmoe: "));
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(outcome.err.find(part) != std::string::npos);
  }
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("an unknown command is answered with the nearest one") {
  check_error({"trian", "synthetic"}, 2, {"unknown command 'trian'", "did you mean 'train'"});
}

TEST_CASE("an unknown flag is answered with the nearest one") {
  check_error({"train", kTinyData, "--epoch", "3"}, 2, {"--epoch'", "--epochs"});
  check_error({"predict", "m", "x.png", "--topp", "3"}, 2, {"--top"});
  check_error({"--hlep"}, 2, {"--help"});
}

TEST_CASE("an unknown recipe key is answered with its line and the nearest one") {
  const TemporaryFolder folder;
  write(folder / "r.toml", "model = \"fashion64\"\nepoch = 3\n");
  check_error({"train", kTinyData, "-c", (folder / "r.toml").string()}, 2,
              {"r.toml", "2", "epoch", "epochs"});
}

TEST_CASE("a recipe value of the wrong type is an error that names the key") {
  const TemporaryFolder folder;
  write(folder / "r.toml", "epochs = \"many\"\n");
  check_error({"train", kTinyData, "-c", (folder / "r.toml").string()}, 2, {"epochs"});
}

TEST_CASE("a recipe that is not TOML is an error with its line") {
  const TemporaryFolder folder;
  write(folder / "r.toml", "epochs = 3\nlr = = 2\n");
  check_error({"train", kTinyData, "-c", (folder / "r.toml").string()}, 3, {"r.toml", "line 2"});
}

TEST_CASE("a flag with a value of the wrong type is an error that names both") {
  check_error({"train", kTinyData, "--epochs", "many"}, 2, {"--epochs", "many"});
}

TEST_CASE("a learning rate that is not a positive number is refused") {
  for (const char* lr : {"nan", "inf", "0", "-1"})
    check_error({"train", kTinyData, "--lr", lr}, 2, {"--lr", lr});
}

TEST_CASE("batch, epochs, threads and lanes below 1 are refused") {
  for (const char* flag : {"--batch-size", "--epochs", "--threads", "--lanes"}) {
    check_error({"train", kTinyData, flag, "-1"}, 2, {flag, "-1"});
    check_error({"train", kTinyData, flag, "0"}, 2, {flag, "0"});
  }
  check_error({"bench", "train", "--batch-size", "0"}, 2, {"--batch-size"});
  check_error({"bench", "infer", "--rounds", "0"}, 2, {"--rounds"});
  check_error({"bench", "gemm", "--breakdown"}, 2, {"--breakdown goes with train and infer, not with gemm"});
}

TEST_CASE("more chosen experts than there are is an error") {
  check_error({"train", kTinyData, "--router", "image", "--experts", "2", "--top-k", "3", "--super-classes",
               "coarse"},
              2, {"top_k", "3", "2"});
}

TEST_CASE("more expert layers than blocks is an error") {
  check_error({"train", kTinyData, "--router", "image", "--super-classes", "coarse", "--depth", "2",
               "--moe-layers", "last:3"},
              2, {"moe_layers is last:3", "depth, which is 2"});
  check_error(
      {"train", kTinyData, "--router", "image", "--super-classes", "coarse", "--moe-layers", "first:1"}, 2,
      {"first:1"});
}

TEST_CASE("a router can read a class token only where there is one") {
  check_error({"train", kTinyData, "--router", "image", "--super-classes", "coarse", "--router-pool", "cls"},
              2, {"router_pool is cls, it should be mean", "no class token"});
}

TEST_CASE("super-classes label images, so they don't go with a router of tokens") {
  check_error({"train", kTinyData, "--router", "token", "--super-classes", "coarse"}, 2,
              {"--super-classes coarse", "--router image, not with token"});
}

TEST_CASE("coarse super-classes need as many experts as there are coarse classes") {
  check_error({"train", kTinyData, "--router", "image", "--super-classes", "coarse", "--experts", "5"}, 2,
              {"--experts 5", "must be 2"});
}

TEST_CASE("experts without a router, and super-classes without one, are errors") {
  check_error({"train", kTinyData, "--experts", "5"}, 2, {"--experts", "--router image"});
  check_error({"train", kTinyData, "--super-classes", "coarse"}, 2, {"--super-classes", "--router image"});
}

TEST_CASE("flags that have no effect on what is asked for are refused") {
  check_error({"info", "cifar128", "--model", "fashion64"}, 2, {"--model fashion64", "'cifar128' already"});
  check_error({"info", "--dim", "64"}, 2, {"--dim goes with the name of a model"});
  check_error({"info", "--router", "image"}, 2, {"--router goes with the name of a model"});
  CHECK(vmoe::testing::vmoe({"info", "--model", "fashion64", "--dim", "32"}).code == 0);
  for (const std::vector<std::string>& flag : {std::vector<std::string>{"--model", "nonsense"},
                                               {"--dim", "64"},
                                               {"--router", "image"},
                                               {"--routing", "even"},
                                               {"--batch-size", "2"},
                                               {"--lanes", "4"},
                                               {"--breakdown"},
                                               {"--precision", "int8"}}) {
    std::vector<std::string> command = {"bench", "signature"};
    command.insert(command.end(), flag.begin(), flag.end());
    check_error(command, 2, {flag[0] + " has no effect on the signature"});
  }
  check_error({"bench", "gemm", "--lanes", "4"}, 2, {"--lanes goes with train, not with gemm"});
  check_error({"bench", "gemm", "--routing", "learned"}, 2, {"--routing goes with train and infer"});
  check_error({"bench", "infer", "--lanes", "4"}, 2, {"--lanes goes with train, not with infer"});
}

TEST_CASE("without a router a flag of the mixture is an error, whatever the command") {
  const std::vector<std::vector<std::string>> mixture = {
      {"--experts", "5"}, {"--top-k", "5"},     {"--moe-layers", "nonsense"}, {"--router-pool", "cls"},
      {"--renormalise"},  {"--no-renormalise"}, {"--shared-expert"},          {"--balance-weight", "3.5"}};
  for (const std::vector<std::string>& flag : mixture) {
    std::string said = flag[0];
    if (flag.size() > 1) said += " " + flag[1];
    for (std::vector<std::string> command : {std::vector<std::string>{"train", kTinyData},
                                             {"plan", kTinyData},
                                             {"info", "cifar128"},
                                             {"bench", "infer"}}) {
      command.insert(command.end(), flag.begin(), flag.end());
      check_error(command, 2, {said + " needs a router: add --router image"});
    }
  }
  check_error({"train", kTinyData, "--router-weight", "7"}, 2, {"--router-weight 7 needs a router"});
}

TEST_CASE("--router none passes over what a recipe says of the mixture, but for a number of experts") {
  const TemporaryFolder folder;
  write(folder / "r.toml", "router = \"none\"\ntop-k = 2\nrenormalise = true\nmoe-layers = \"last:1\"\n");
  write(folder / "moe.toml", "router = \"image\"\nexperts = 4\ntop-k = 2\n");
  const std::string recipe = (folder / "r.toml").string(), run = (folder / "run").string();
  CHECK(vmoe::testing::vmoe(train_command(run, {"-c", recipe, "--max-steps", "1"})).code == 0);
  check_error({"train", kTinyData, "-c", (folder / "moe.toml").string(), "--router", "none"}, 2,
              {"--experts 4 needs a router"});
}

TEST_CASE("heads that do not divide the width are an error") {
  check_error({"train", kTinyData, "--dim", "16", "--heads", "3"}, 2, {"heads", "3", "16"});
}

TEST_CASE("an unknown model is answered with the known ones") {
  check_error({"train", kTinyData, "--model", "resnet"}, 2, {"resnet", "cifar128"});
  check_error({"info", "resnet"}, 2, {"resnet"});
}

TEST_CASE("an output below a regular file cannot be made") {
  const TemporaryFolder folder;
  write(folder / "file", "x");
  check_error(train_command((folder / "file" / "run").string()), 4, {"file"});
}

TEST_CASE("images of a size or with channels that no data has are wrong usage") {
  check_error({"train", kTinyData, "--channels", "7"}, 2, {"--channels 7", "1 (grey) or 3 (colour)"});
  check_error({"train", kTinyData, "--image-size", "8192", "--patch-size", "512"}, 2,
              {"--image-size 8192", "4096"});
}

TEST_CASE("a value out of range is shown in a few digits") {
  check_error({"train", kTinyData, "--save-every", "1e300"}, 2, {"--save-every 1e+300: must be"});
  check_error({"train", kTinyData, "--min-lr", "0.5"}, 2, {"--min-lr 0.5: must be"});
  check_error({"train", kTinyData, "--clip-norm", "1e10"}, 2, {"--clip-norm", "from 0 to 1000000000"});
}

TEST_CASE("a data set that does not exist is an error that names it, whatever the format") {
  for (const char* format : {"folder", "cifar10", "cifar100", "idx"})
    check_error({"data", "no/such/data", "--format", format}, 4, {"no/such/data", "o such file"});
  check_error({"train", "no/such/data"}, 4, {"no/such/data"});
  check_error({"data", "no/such/data"}, 4, {"no/such/data"});
}

TEST_CASE("a model file that is none is refused: missing, empty, garbage, another format") {
  const TemporaryFolder folder;
  check_error({"predict", (folder / "none.safetensors").string(), "x.png"}, 4, {"none.safetensors"});
  write(folder / "empty.safetensors", "");
  check_error({"info", (folder / "empty.safetensors").string()}, 3, {"empty.safetensors"});
  write(folder / "garbage.safetensors", std::string(1000, 'g'));
  check_error({"eval", (folder / "garbage.safetensors").string(), kTinyData}, 3, {"garbage.safetensors"});
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}}";
  write(folder / "foreign.safetensors",
        std::string{static_cast<char>(header.size())} + std::string(7, '\0') + header);
  check_error({"info", (folder / "foreign.safetensors").string()}, 3, {"foreign.safetensors", "vmoe"});
}

TEST_CASE("an instruction set that the machine lacks is an error that lists what it has") {
  check_error({"bench", "signature", "--isa", "sse9"}, 2, {"--isa", "sse9", "auto, plain"});
}

TEST_CASE("help starts with a sentence and an example, and fits a screen") {
  for (const char* command :
       {"train", "eval", "predict", "superclass", "upcycle", "routes", "study", "info", "data", "bench"}) {
    CAPTURE(command);
    const Outcome outcome = vmoe::testing::vmoe({command, "--help"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find(std::string("\n\n  vmoe ") + command) < 200);
    CHECK(outcome.out.find("Exit codes", outcome.out.size() - 110) != std::string::npos);
    CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') <= 45);
    size_t widest = 0;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
    CHECK(widest <= 100);
    CHECK(vmoe::testing::vmoe({"help", command}).out == outcome.out);
  }
}

TEST_CASE("help explains every flag of a study that no other command has") {
  const std::string help = vmoe::testing::vmoe({"study", "--help"}).out;
  CHECK(help.find("--only-table runs none") != std::string::npos);
  CHECK(help.find("--method spectral|agglomerative  ") != std::string::npos);
}

TEST_CASE("the program alone lists its commands, and tells its version") {
  const Outcome alone = vmoe::testing::vmoe({});
  CHECK(alone.code == 0);
  for (const char* command :
       {"train", "eval", "predict", "superclass", "upcycle", "routes", "study", "info", "data", "bench"}) {
    CHECK(alone.out.find(std::string("\n  ") + command + " ") != std::string::npos);
  }
  CHECK(vmoe::testing::vmoe({"--help"}).out == alone.out);
  CHECK(vmoe::testing::vmoe({"help"}).out == alone.out);
  CHECK(vmoe::testing::vmoe({"--version"}).out == "vmoe " + vmoe::code_version() + "\n");
  CHECK(vmoe::testing::vmoe({"help", "help"}).out == alone.out);
  check_error({"help", "trian"}, 2, {"unknown command 'trian'", "did you mean 'train'"});
}

TEST_CASE("a standard output that takes no more is an error, not silence") {
  std::istringstream in;
  std::ostringstream err;
  std::ofstream full("/dev/full");
  if (!full) {
    MESSAGE("skipped: this system has no /dev/full");
    return;
  }
  vmoe::Streams streams{in, full, err};
  const std::vector<std::string> arguments = {"info"};
  CHECK(vmoe::run_program(arguments, streams) == 4);
  CHECK(err.str().find("standard output") != std::string::npos);
}

TEST_CASE("flags that something else needs are asked for by name") {
  check_error({"superclass", "m", kTinyData, "--output", "s.json"}, 2, {"--experts"});
  check_error({"superclass", "m", kTinyData, "--experts", "2"}, 2, {"--output"});
  check_error({"train", kTinyData, "--router", "image"}, 2, {"--experts"});
  check_error({"train", kTinyData, "--resume", "--overwrite"}, 2, {"--resume", "--overwrite"});
  check_error({"bench", "signatur"}, 2, {"did you mean 'signature'"});
  check_error({"info", "cifra128"}, 2, {"did you mean 'cifar128'"});
}

TEST_CASE("every recipe of the project is one that train understands, or the study it is named after") {
  const fs::path folder = fixture_path("ops").parent_path().parent_path().parent_path() / "recipes";
  for (const auto& recipe : fs::directory_iterator(folder)) {
    CAPTURE(recipe.path().string());
    std::vector<std::string> command = {"train", "no/such/data", "-c", recipe.path().string()};
    if (recipe.path().stem().string().find("_study") != std::string::npos) {
      command[0] = "mobile";
      command.insert(command.begin(), "study");
      command.insert(command.end(), {"--output", "not/made"});
    }
    // The data is looked for after the recipe was read, so an error of the recipe would come first.
    check_error(command, 4, {"no/such/data"});
  }
}

TEST_CASE("a precision that is unknown, that cannot be had, or that goes with another command is an error") {
  check_error({"eval", "m", "d", "--precision", "fp8"}, 2,
              {"--precision", "fp8", "fp32, int8, bf16 or auto"});
  check_error({"eval", "m", "d", "--isa", "baseline", "--precision", "bf16"}, 2,
              {"bf16", "baseline", "int8"});
  check_error({"bench", "train", "--precision", "int8"}, 2, {"'int8'", "to train in", "fp32, bf16 or auto"});
  check_error({"bench", "gemm", "--precision", "bf16"}, 2, {"--precision", "train and infer"});
  for (const char* command : {"train", "plan"}) {
    check_error({command, kTinyData, "--precision", "int8"}, 2,
                {"--precision", "int8", "fp32, bf16 or auto"});
    check_error({command, kTinyData, "--precision", "bf16", "--isa", "baseline"}, 2,
                {"bf16", "'baseline'", "it has auto, fp32"});
  }
  vmoe::use_kernels("auto");
}

TEST_CASE("a file of an evaluation that cannot be written is an error") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string();
  REQUIRE(vmoe::testing::vmoe(train_command(run)).code == 0);
  check_error({"eval", run, kTinyData, "--confusion", (folder / "none" / "c.csv").string()}, 4, {"c.csv"});
  check_error({"eval", run, kTinyData, "--confusion", run}, 4, {"run", "folder"});
}

TEST_CASE("a model whose weights are not finite numbers is refused by the tensor's name") {
  const TemporaryFolder folder;
  const std::string run = (folder / "run").string(), model = (folder / "run" / "best.safetensors").string();
  REQUIRE(vmoe::testing::vmoe(train_command(run)).code == 0);
  std::fstream file(model, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-4, std::ios::end);  // the last number of the last tensor by name
  file.write("\0\0\xc0\x7f", 4);
  file.close();
  check_error({"eval", model, kTinyData}, 3, {"best.safetensors", "'pos_embed'", "not finite"});
  check_error({"info", model}, 3, {"not finite"});
}
