// A study of tiny models from its first step to its page.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "tensor/error.h"
#include "tests/support/temporary_folder.h"
#include "train/atomic_file.h"
#include "train/model_file.h"
#include "train/study/arms.h"
#include "train/study/page.h"
#include "train/study/study.h"

using namespace vmoe;
using vmoe::testing::TemporaryFolder;

namespace {

constexpr const char* kData = "synthetic:families=2,details=2,train=12,test=4,size=8";

/// A dense arm and one with super-classes, 10 steps each.
class TinyStudy {
 public:
  TinyStudy() {
    options.train.data = kData;
    options.train.model.dim = 16;
    options.train.model.depth = 2;
    options.train.model.heads = 2;
    options.train.model.mlp_dim = 16;
    options.train.batch_size = 8;
    options.train.epochs = 2;
    options.train.threads = 2;
    options.seeds = 1;
    options.arms = {"dense", "superclass"};
  }
  Study run(const std::filesystem::path& folder) {
    options.output = folder.string();
    steps = 0;
    warnings.clear();
    const auto ignore = [](const auto&) {};
    return run_study(options, {.run = {.announce = ignore,
                                       .outlook = ignore,
                                       .progress = ignore,
                                       .warn = [&](const std::string& line) { warnings.push_back(line); },
                                       .interrupted =
                                           [&] {
                                             if (++steps == 5 && fifth_step) fifth_step();
                                             return steps == stop_at;
                                           }},
                               .say = ignore});
  }

  StudyOptions options;
  int steps = 0, stop_at = 0;  // stop_at 0: never
  std::vector<std::string> warnings;
  std::function<void()> fifth_step;
};

}  // namespace

TEST_CASE(
    "a study that is interrupted in a run keeps a checkpoint, and the next call ends it with the same "
    "results") {
  const TemporaryFolder folder;
  TinyStudy study;
  const Study whole = study.run(folder / "whole");
  CHECK(study.steps == 20);
  study.stop_at = 13;  // the third step of the second arm
  CHECK_THROWS_AS(study.run(folder / "parts"), Interrupted);
  CHECK(ResultsFile(folder / "parts/results.jsonl").all().size() == 1);
  study.stop_at = 0;
  const int before = study.steps;
  const Study parts = study.run(folder / "parts");
  CHECK(before + study.steps == 20);
  REQUIRE(parts.arms.size() == 2);
  for (size_t i = 0; i < 2; ++i) {
    Record a = to_record(whole.arms[i].figures), b = to_record(parts.arms[i].figures);
    for (const char* key : {"latency_p50_ms", "latency_p95_ms"}) a[key] = b[key] = 0;
    CHECK(a == b);
  }
}

TEST_CASE("what another process is at work on is left to it, with what waits for it, and the rest is run") {
  const TemporaryFolder folder;
  const std::filesystem::path baseline = folder / "runs/dense-1";
  TinyStudy study;
  study.options.arms = {"dense", "superclass", "wide"};
  {
    std::filesystem::create_directories(baseline);
    const FileLock other(baseline, FileLock::IfHeld::refuse);
    const Study mine = study.run(folder.path());
    CHECK(mine.elsewhere == std::vector<std::string>{"dense, seed 1", "superclass, seed 1"});
    CHECK(mine.missing == 2);
    CHECK((mine.arms.size() == 1 && mine.arms[0].name == "wide"));
    CHECK(study.steps == 10);
  }
  const Study rest = study.run(folder.path());
  CHECK((rest.elsewhere.empty() && rest.missing == 0 && rest.arms.size() == 3));
  CHECK(study.steps == 20);
}

TEST_CASE("what another process gave up is run in the end") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "runs/dense-1");
  FileLock other(folder / "runs/dense-1", FileLock::IfHeld::refuse);
  TinyStudy study;
  study.options.arms = {"dense", "superclass", "wide"};
  study.fifth_step = [&] { other = {}; };
  const Study whole = study.run(folder.path());
  CHECK((whole.elsewhere.empty() && whole.arms.size() == 3));
  CHECK(study.steps == 30);
}

TEST_CASE("two processes that begin one study at the same time both end it, with one line an arm") {
  const TemporaryFolder folder;
  std::exception_ptr error[2];
  std::vector<std::thread> processes;
  for (std::exception_ptr& of_this : error) {
    processes.emplace_back([&] {
      try {
        TinyStudy study;
        study.options.arms = {"dense", "superclass", "random", "wide"};
        study.options.train.threads = 1;
        study.run(folder.path());
      } catch (...) {
        of_this = std::current_exception();
      }
    });
  }
  for (std::thread& process : processes) process.join();
  for (const std::exception_ptr& of_this : error)
    CHECK_NOTHROW(of_this ? std::rethrow_exception(of_this) : void());
  CHECK(ResultsFile(folder / "results.jsonl").all().size() == 4);
}

TEST_CASE("a run that is stopped in its last step has ended") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.options.arms = {"dense"};
  study.stop_at = 10;
  CHECK(study.run(folder.path()).missing == 0);
}

TEST_CASE("models that are damaged, or another recipe's, leave the stored times and the table") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.run(folder.path());
  TinyStudy large;
  large.options.train.model.image_size = 64;
  large.options.arms = {"dense"};
  large.run(folder / "large");
  const auto model = folder / "runs/dense-1/best.safetensors";
  std::filesystem::copy_file(folder / "large/runs/dense-1/best.safetensors", model,
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(study.run(folder.path()).arms.size() == 2);
  REQUIRE(!study.warnings.empty());
  CHECK(study.warnings[0].find("another model than the recipe makes") != std::string::npos);
  CHECK(study.warnings.size() == 1);
  std::filesystem::resize_file(model, 1000);
  CHECK(study.run(folder.path()).arms.size() == 2);
  REQUIRE(!study.warnings.empty());
  CHECK(study.warnings[0].find("the stored times are shown") != std::string::npos);
}

TEST_CASE("what no run could have is refused before a study's folder says that it is wanted") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.options.train.augment.mixup = 200;
  CHECK_THROWS_WITH_AS(study.run(folder / "study"), "--mixup 200: must be 0 (off) to 100", UsageError);
  study.options.train.augment.mixup = 0;
  study.options.train.data = "synthetic:families=2,details=2,train=1,test=4,size=8";
  CHECK_THROWS_WITH_AS(study.run(folder / "study"), doctest::Contains("to be held out"), InputError);
  CHECK(!std::filesystem::exists(folder / "study"));
}

TEST_CASE("a damaged study.json is one line, however deep") {
  const TemporaryFolder folder;
  TinyStudy study;
  std::ofstream(folder / "study.json") << std::string(400000, '[') << std::string(400000, ']');
  CHECK_THROWS_WITH_AS(study.run(folder.path()), doctest::Contains("nested more than 16"), InputError);
}

TEST_CASE("an arm that cannot be stops a study that asks for it, and no other") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.options.train.model.experts = 3;
  study.options.train.model.top_k = 3;
  CHECK(study.run(folder / "study").arms.size() == 2);
  study.options.arms = {};
  const Study rest = study.run(folder / "study");
  CHECK((rest.arms.size() == 6 && rest.missing == 0));
  REQUIRE(study.warnings.size() == 1);
  CHECK(study.warnings[0].find("arm coarse is left out: ") == 0);
  study.options.arms = {"coarse"};  // of two coarse classes
  CHECK_THROWS_WITH_AS(study.run(folder / "coarse"), doctest::Contains("--arms coarse: "), UsageError);
}

TEST_CASE("a run whose numbers end is named and left out, and the other arms go on") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.options.arms = {"dense", "coarse"};
  study.options.train.lr = 100;  // with this decay a step multiplies weights by -9999
  study.options.train.adamw.weight_decay = 100;
  study.options.train.epochs = 20;
  const Study blown = study.run(folder / "blown");
  REQUIRE(blown.diverged.size() == 2);
  CHECK(blown.diverged[0].find("dense, seed 1: step ") == 0);
  CHECK(blown.diverged[1].find("coarse, seed 1: step ") == 0);
  CHECK((blown.missing == 2 && blown.arms.empty()));
  CHECK(std::filesystem::exists(blown.report));
}

TEST_CASE(
    "a study ends with its table though a run's folder is empty, and refuses a folder as its page first") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.run(folder / "one");
  study.options.results = (folder / "one/results.jsonl").string();
  std::filesystem::create_directories(folder / "two/runs/dense-1");
  const Study again = study.run(folder / "two");
  CHECK(study.steps == 0);
  CHECK(again.arms.size() == 2);
  std::filesystem::create_directories(folder / "three/report.html");
  CHECK_THROWS_AS(study.run(folder / "three"), IoError);
}

TEST_CASE("a finished baseline gives its super-classes whatever the run beside it was made with") {
  const TemporaryFolder folder;
  TinyStudy study;
  study.options.arms = {"dense"};
  study.run(folder.path());
  std::filesystem::remove(folder / "runs/dense-1/last.state.safetensors");
  study.options.arms = {"superclass"};
  CHECK(study.run(folder.path()).arms.size() == 2);
  CHECK(study.steps == 10);
}

TEST_CASE("a study's page has curves, confusion, routes and examples of the runs that are there") {
  const TemporaryFolder folder;
  TinyStudy tiny;
  const Study study = tiny.run(folder / "study");
  CHECK(std::filesystem::exists(study.report));
  const auto data = open_dataset(kData);
  Record recipe;
  recipe["training"]["lr"] = 0.5;
  const auto first_model = [&](const std::string& arm) -> std::optional<LoadedModel> {
    const auto run = study_run(folder / "study", arm, 1);
    if (!holds_model(run)) return {};
    return load_model(model_path(run.string()));
  };
  const StudyReport page = study_page(study, *data, recipe, first_model, 2);
  CHECK(page.recipe == "training/lr = 0.5\n");
  REQUIRE(page.arms.size() == 2);
  CHECK(page.arms[1].top1 == study.arms[1].top1);
  for (const ReportArm& arm : page.arms) {
    REQUIRE(arm.curves.size() == 1);
    CHECK(arm.curves[0].epoch == std::vector<double>{1, 2});
    CHECK((arm.curves[0].train_loss[1] > 0 && arm.curves[0].holdout_top1[1] >= 0));
  }
  REQUIRE(page.differences.size() == 1);
  CHECK((page.differences[0].arm == "superclass" && page.differences[0].to == "dense"));
  // Four classes, one image of each twelve held out.
  CHECK(page.classes == data->info().classes);
  CHECK(std::accumulate(page.confusion.begin(), page.confusion.end(), 0.0) == 4);
  REQUIRE(page.heat.size() == 8);
  size_t examples = 0;
  for (size_t n = 0; n < 4; ++n) CHECK(page.heat[n] + page.heat[4 + n] == 1);
  for (size_t e = 0; e < 2; ++e) {
    examples += page.examples[e].size();
    for (const ReportImage& image : page.examples[e]) CHECK(image.png.substr(1, 3) == "PNG");
  }
  CHECK(examples == 4);

  // Without its runs the page still has the table.
  std::filesystem::remove_all(folder / "study/runs");
  const StudyReport table = study_page(study, *data, recipe, first_model, 2);
  CHECK(table.arms.size() == 2);
  CHECK((table.arms[0].curves.empty() && table.confusion.empty() && table.examples.empty()));
}

TEST_CASE("an expert's examples are one of each of its classes first, by gate; large ones are scaled down") {
  const TemporaryFolder folder;
  TinyStudy tiny;
  tiny.options.train.data = "synthetic:families=2,details=2,train=40,test=4,size=120";
  tiny.options.train.model.image_size = 8;
  tiny.options.train.model.patch_size = 4;
  tiny.options.arms = {"superclass"};
  const Study study = tiny.run(folder / "study");
  const auto data = open_dataset(tiny.options.train.data);
  StudyReport page;
  add_routes(page, load_model((folder / "study/runs/superclass-1/best.safetensors").string()), *data, 2, 3);
  for (size_t e = 0; e < 2; ++e) {
    size_t classes = 0;  // that send the expert something
    for (size_t n = 0; n < 4; ++n) classes += page.heat[4 * e + n] > 0;
    const std::vector<ReportImage>& examples = page.examples[e];
    CHECK(examples.size() <= 3);
    for (size_t i = 1; i < std::min(classes, examples.size()); ++i)
      CHECK(examples[i].caption != examples[0].caption);
    // Width and height of a PNG are big-endian numbers at bytes 16 and 20.
    for (const ReportImage& image : examples) CHECK((image.png[19] == 96 && image.png[23] == 96));
  }
}

TEST_CASE("the curve of a run are its epochs, whatever else its file says") {
  const TemporaryFolder folder;
  CHECK(read_curve(folder.path(), 3).epoch.empty());
  std::ofstream(folder / "metrics.jsonl")
      << "{\"epoch\":0.5,\"loss\":4}\n"
         "{\"epoch\":1,\"train_loss\":3,\"holdout_accuracy\":0.25}\nno JSON\n"
         "{\"epoch\":2,\"train_loss\":null}\n{\"epoch\":3,\"train_";
  const ReportCurve curve = read_curve(folder.path(), 3);
  CHECK(curve.seed == 3);
  CHECK(curve.epoch == std::vector<double>{1, 2});
  CHECK(curve.train_loss[0] == 3);
  CHECK(std::isnan(curve.train_loss[1]));
  CHECK(curve.holdout_top1[0] == 0.25);
  CHECK(std::isnan(curve.holdout_top1[1]));
}
