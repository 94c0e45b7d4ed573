// From a dense run to a mixture, and training that starts from it.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/cli/runs.h"
#include "tests/support/temporary_folder.h"
#include "train/checkpoint.h"

using namespace vmoe::testing;
namespace fs = std::filesystem;

namespace {

// One line on standard error, exit code 2 or 3, with every part.
void refused(const std::vector<std::string>& arguments, const std::vector<std::string>& parts) {
  const Outcome outcome = vmoe::testing::vmoe(arguments);
  CAPTURE(outcome.err);
  CHECK((outcome.code == 2 || outcome.code == 3));
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK(outcome.err.find(part) != std::string::npos);
  }
}

Json evaluation_of(const std::string& model) {
  return Json::parse(succeed({"eval", model, kTinyData, "--json"}).out);
}

// A dense run, its super-classes, and a mixture made of both.
struct Upcycled {
  TemporaryFolder folder;
  std::string dense = path("dense"), division = path("super.json"), start = path("start.safetensors");

  Upcycled() {
    succeed(train_command(dense));
    succeed({"superclass", dense, kTinyData, "--experts", "2", "--output", division});
    succeed({"upcycle", dense, "--super-classes", division, "--moe-layers", "last:1", "--output", start});
  }
  std::string path(const char* name) const { return (folder / name).string(); }
  // `vmoe train --init`, with no flag of the model.
  std::vector<std::string> train(const std::string& output, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = {"train", kTinyData,      "--init", start,      "--epochs",
                                        "2",     "--batch-size", "8",      "--output", output};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
};

}  // namespace

TEST_CASE("an upcycled model with gates that sum to 1 is evaluated like the dense one") {
  const Upcycled u;
  const Json want = evaluation_of(u.dense);
  const std::string one = u.path("one.safetensors"), two = u.path("two");
  succeed({"upcycle", u.dense, "--experts", "1", "--moe-layers", "last:1", "--output", one});
  succeed({"upcycle", u.dense, "--experts", "2", "--top-k", "2", "--moe-layers", "last:2", "--output", two});
  const Json same = evaluation_of(one), close = evaluation_of(two);  // of a folder its best model
  for (const char* key : {"top1", "top5", "loss"}) CHECK(same[key] == want[key]);
  CHECK(std::abs(close["loss"].get<double>() - want["loss"].get<double>()) <= 1e-6);
  CHECK(close["top1"] == want["top1"]);
}

TEST_CASE("an upcycled model says what it is, and is the same bytes again for the same seed") {
  const Upcycled u;
  const vmoe::ModelDescription d = vmoe::load_description(u.start);
  CHECK(d.config.moe.experts == 2);
  CHECK(d.config.moe.super_classes.size() == 4);
  CHECK(d.config.moe.balance_weight == 0);  // they fix the load
  CHECK(d.experts.size() == 2);
  CHECK(d.preprocess == vmoe::load_description(u.dense + "/best.safetensors").preprocess);
  const auto upcycle = [&](const char* name, std::vector<std::string> more) {
    std::vector<std::string> command = {"upcycle",      u.dense,  "--super-classes", u.division,
                                        "--moe-layers", "last:1", "--output",        u.path(name)};
    command.insert(command.end(), more.begin(), more.end());
    succeed(command);
    return bytes_of(u.path(name));
  };
  const std::string start = bytes_of(u.start);
  CHECK(upcycle("a.safetensors", {}) == start);
  CHECK(upcycle("b.safetensors", {"--seed", "1"}) != start);
  CHECK(upcycle("c.safetensors", {"--perturb", "0.01"}) != start);
}

TEST_CASE("a run starts from the weights of --init, whose model it takes over") {
  const Upcycled u;
  const std::string run = u.path("run");
  // A learning rate that moves no bit of a weight: float has 24.
  succeed(u.train(run, {"--lr", "1e-30", "--min-lr", "0", "--weight-decay", "0"}));
  const Json config = Json::parse(bytes_of(run + "/config.json"));
  CHECK(config.contains("init"));
  const vmoe::LoadedModel start = vmoe::load_model(u.start),
                          end = vmoe::load_model(run + "/last.safetensors");
  CHECK(end.description.config == start.description.config);
  CHECK(end.description.experts == start.description.experts);
  int64_t moved = 0;
  for (int64_t i = 0; i < start.model->parameters().size(); ++i)
    moved += std::abs(start.model->parameters().data()[i] - end.model->parameters().data()[i]) > 1e-20;
  CHECK(moved == 0);
  succeed({"train", kTinyData, "--init", u.dense, "--epochs", "1", "--output", u.path("dense-again")});
  CHECK(Json::parse(
            succeed({"plan", kTinyData, "--init", u.start, "--calibrate", "0", "--json"}).out)["params"] ==
        Json::parse(succeed({"info", u.start, "--json"}).out)["params"]);
}

TEST_CASE("what the weights leave open may change with --init, all else that contradicts it is refused") {
  const Upcycled u;
  succeed(u.train(u.path("agrees"),
                  {"--dim", "16", "--router", "image", "--moe-layers", "last:1", "--dropout", "0.1",
                   "--drop-path", "0.1", "--router-weight", "0.1", "--super-classes", u.division}));
  const Json model = Json::parse(bytes_of(u.path("agrees") + "/config.json"))["model"]["config"];
  CHECK(model["vit"]["dropout"] == 0.1);
  CHECK(model["moe"]["super_class_weight"] == 0.1);
  const std::string run = u.path("run");
  refused(u.train(run, {"--dim", "32"}), {"--init " + u.start, "has dim 16, but the flags say 32"});
  refused(u.train(run, {"--model", "cifar128"}),
          {"--init", "but the flags say", "leave its flags and --model out"});
  refused(u.train(run, {"--top-k", "2"}), {"has top_k 1, but the flags say 2"});
  refused(u.train(run, {"--router", "none"}), {"has router \"image\", but the flags say \"none\""});
  Json swapped = Json::parse(bytes_of(u.division));
  std::swap(swapped["super_class"][0], swapped["super_class"][3]);
  swapped.erase("names");
  swapped.erase("sizes");
  std::ofstream(u.path("swapped.json")) << swapped;
  refused(u.train(run, {"--super-classes", u.path("swapped.json")}),
          {"--super-classes", "other super-classes"});
  refused({"train", kTinyData, "--init", u.dense, "--top-k", "2", "--output", run},
          {"--top-k 2 needs a router: --init " + u.dense, "has none; vmoe upcycle"});
  refused({"train", kTinyData, "--init", u.dense, "--super-classes", u.division, "--output", run},
          {"has no experts", "vmoe upcycle"});
  refused(
      {"train", "synthetic:families=3,details=2,train=4,test=2,size=8", "--init", u.start, "--output", run},
      {"6 classes, the model 4"});
  CHECK(!fs::exists(run));
}

TEST_CASE("super-classes can be given to a mixture that was made without") {
  const Upcycled u;
  const std::string start = u.path("plain.safetensors"), run = u.path("run");
  succeed({"upcycle", u.dense, "--experts", "2", "--moe-layers", "last:1", "--output", start});
  succeed(
      {"train", kTinyData, "--init", start, "--epochs", "1", "--super-classes", u.division, "--output", run});
  CHECK(vmoe::load_description(run + "/best.safetensors").config.moe.super_classes ==
        vmoe::load_description(u.start).config.moe.super_classes);
}

TEST_CASE("a run from --init that was stopped goes on to the same bytes, and from no other file") {
  const Upcycled u;
  const std::string whole = u.path("whole"), parts = u.path("parts");
  succeed(u.train(whole, {"--ema", "0.9"}));
  succeed(u.train(parts, {"--ema", "0.9", "--max-steps", "2"}));
  const std::string state = bytes_of(parts + "/last.state.safetensors");
  succeed({"upcycle", u.dense, "--super-classes", u.division, "--moe-layers", "last:1", "--seed", "5",
           "--output", u.path("other.safetensors")});
  std::vector<std::string> other = u.train(parts, {"--ema", "0.9", "--resume"});
  other[3] = u.path("other.safetensors");
  refused(other, {"--resume: init is \"file ", "but the run has \"file "});
  std::vector<std::string> without = train_command(parts, {"--resume"});
  refused(without, {"--resume: "});
  CHECK(bytes_of(parts + "/last.state.safetensors") == state);
  fs::rename(u.start, u.path("moved.safetensors"));  // what counts is what is in it
  std::vector<std::string> moved = u.train(parts, {"--ema", "0.9", "--resume"});
  moved[3] = u.path("moved.safetensors");
  succeed(moved);
  for (const char* file : {"/best.safetensors", "/last.safetensors", "/last.state.safetensors"})
    CHECK(bytes_of(parts + file) == bytes_of(whole + file));
}

TEST_CASE("a run is not resumed without the --init that it was started with") {
  const Upcycled u;
  const std::string run = u.path("run");
  succeed({"train", kTinyData, "--init", u.dense, "--batch-size", "8", "--max-steps", "1", "--epochs", "3",
           "--output", run});
  refused(train_command(run, {"--resume"}), {"--resume: the run has init \"file ", "must be given again"});
}

TEST_CASE("a run does not clear away the model that it starts from") {
  const Upcycled u;
  const std::string before = bytes_of(u.dense + "/best.safetensors");
  refused({"train", kTinyData, "--init", u.dense, "--epochs", "1", "--overwrite", "--output", u.dense},
          {"--init", "lies in the folder of --output"});
  std::filesystem::create_symlink(u.dense + "/best.safetensors", u.path("link.safetensors"));
  refused({"train", kTinyData, "--init", u.path("link.safetensors"), "--epochs", "1", "--overwrite",
           "--output", u.dense},
          {"--init", "lies in the folder of --output"});
  CHECK(bytes_of(u.dense + "/best.safetensors") == before);
}

TEST_CASE("a run is not cleared away for one that cannot begin") {
  const Upcycled u;
  const std::string before = bytes_of(u.dense + "/last.state.safetensors");
  std::string model = bytes_of(u.dense + "/best.safetensors");
  std::fill(model.end() - 4, model.end(), '\xff');  // NaN
  std::ofstream(u.path("nan.safetensors"), std::ios::binary) << model;
  refused({"train", kTinyData, "--init", u.path("nan.safetensors"), "--epochs", "1", "--overwrite",
           "--output", u.dense},
          {"not finite"});
  refused(train_command(u.dense, {"--overwrite", "--mixup", "1000"}), {"--mixup"});
  refused(train_command(u.dense, {"--overwrite", "--crop", "pad", "--crop-padding", "2000"}),
          {"--crop-padding"});
  CHECK(bytes_of(u.dense + "/last.state.safetensors") == before);
}

TEST_CASE("a hold-out other than the one of --init brings a warning") {
  const Upcycled u;
  const Outcome outcome = succeed(u.train(u.path("run"), {"--holdout", "0.4", "--max-steps", "1"}));
  CHECK(outcome.err.find("it was trained with --holdout 0.1, this run has 0.4") != std::string::npos);
}

TEST_CASE("upcycling needs a dense model, a number of experts, and a place for the result") {
  const Upcycled u;
  const std::string out = u.path("out.safetensors");
  refused({"upcycle", u.dense, "--output", out}, {"--experts E is needed"});
  refused({"upcycle", u.dense, "--experts", "2"}, {"--output FILE|DIR is needed"});
  refused({"upcycle", u.start, "--experts", "2", "--output", out}, {"has experts already"});
  refused({"upcycle", u.dense, "--experts", "2", "--top-k", "3", "--output", out}, {"top_k is 3"});
  refused({"upcycle", u.dense, "--experts", "2", "--moe-layers", "last:3", "--output", out},
          {"depth, which is 2"});
  refused({"upcycle", u.dense, "--experts", "3", "--super-classes", u.division, "--output", out},
          {"--experts is 3", "2 super-classes"});
  refused({"upcycle", u.dense, "--experts", "2", "--router", "none", "--output", out}, {"--router image"});
  refused({"upcycle", u.dense, "--experts", "2", "--perturb", "-1", "--output", out}, {"--perturb is '-1'"});
  refused({"upcycle", u.dense, "--experts", "2", "--output", u.dense}, {"holds a model already"});
  CHECK(!fs::exists(out));
}
