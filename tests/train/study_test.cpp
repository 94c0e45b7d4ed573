// The parts of a study: which arms, how large, which results are known again, what the file holds.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "moe/layers.h"
#include "tensor/error.h"
#include "tests/support/temporary_folder.h"
#include "train/study/arms.h"
#include "train/study/recipe.h"
#include "train/study/results.h"
#include "train/study/starts.h"
#include "train/study/table.h"

using namespace vmoe;
using vmoe::testing::TemporaryFolder;

namespace {

DatasetInfo data_of(int classes, bool coarse = false) {
  DatasetInfo data;
  data.path = "some data";
  for (int i = 0; i < classes; ++i) {
    data.classes.push_back("class " + std::to_string(i));
    if (coarse) data.coarse_of_class.push_back(i % 3);
  }
  if (coarse) data.coarse_classes = {"a", "b", "c"};
  data.min_width = data.max_width = data.min_height = data.max_height = 32;
  return data;
}

/// One grey pixel in every image; the labels are given.
class Pixels : public Dataset {
 public:
  explicit Pixels(std::vector<int> labels, const char* first_class = "a") {
    info_ = data_of(2);
    info_.classes[0] = first_class;
    labels_[0] = std::move(labels);
  }
  ImageView image(Split, int64_t, ImageScratch&) const override { return {&pixel_, 1, 1, 1}; }
  std::string name(Split, int64_t) const override { return "a pixel"; }

 private:
  uint8_t pixel_ = 7;
};

ModelConfig model_of(const char* name, const ModelFlags& shared, const DatasetInfo& data) {
  return model_from_flags(arm_flags(choose_arms({name}, data)[0], shared, data), data);
}

ArmResult result_of(const std::string& arm, int seed, std::vector<uint8_t> hits) {
  ArmResult result;
  result.hash = "0123456789abcdef";
  result.arm = arm;
  result.seed = seed;
  result.top1 = 0;
  for (const uint8_t hit : hits) result.top1 += hit / static_cast<double>(hits.size());
  result.p50_ms = seed;
  result.hits = std::move(hits);
  return result;
}

}  // namespace

TEST_CASE("a study has every arm that its data allow, in one order, or those that are named") {
  const auto names = [](const std::vector<StudyArm>& arms) {
    std::string text;
    for (const StudyArm& arm : arms) text += arm.name + " ";
    return text;
  };
  CHECK(names(choose_arms({}, data_of(6))) == "dense superclass random image token wide ");
  CHECK(names(choose_arms({}, data_of(6, true))) == "dense superclass random image token coarse wide ");
  CHECK(names(choose_arms({"token", "dense"}, data_of(6))) == "dense token ");
  CHECK_THROWS_WITH_AS(choose_arms({"coarse"}, data_of(6)),
                       "--arms coarse: 'some data' has no coarse labels; leave the arm out", UsageError);
  CHECK_THROWS_AS(choose_arms({"tokens"}, data_of(6)), UsageError);
}

TEST_CASE("experts are half the classes, ten at most; fewer than four classes are an error") {
  CHECK(study_experts({}, data_of(4)) == 2);
  CHECK(study_experts({}, data_of(9)) == 4);
  CHECK(study_experts({}, data_of(100)) == 10);
  CHECK_THROWS_AS(study_experts({}, data_of(3)), UsageError);
  ModelFlags flags;
  flags.experts = 7;
  CHECK_THROWS_AS(study_experts(flags, data_of(6)), UsageError);
}

TEST_CASE("dense arms equal the mixture's FLOPs, wide ones its parameters") {
  const DatasetInfo data = data_of(20);
  ModelFlags shared;
  shared.model = "fashion64";
  const ModelConfig mixture = model_of("superclass", shared, data);
  CHECK(mixture.moe.experts == 10);
  CHECK(model_of("dense", shared, data).vit == mixture.vit);  // the router's products are next to nothing
  const ModelConfig wide = model_of("wide", shared, data);
  const double params = static_cast<double>(size_of(mixture).params);
  // One more unit of each MLP is some 2 D + 1 parameters a block.
  CHECK(std::abs(static_cast<double>(size_of(wide).params) - params) <= wide.vit.depth * (wide.vit.dim + 1));

  shared.top_k = 2;
  const ModelConfig two = model_of("superclass", shared, data), dense = model_of("dense", shared, data);
  CHECK(dense.vit.mlp_dim > two.vit.mlp_dim);
  const double flops = static_cast<double>(size_of(two).flops);
  CHECK(std::abs(static_cast<double>(size_of(dense).flops) / flops - 1) <= 0.01);
}

TEST_CASE("end to end a router of one expert has raw gates, whatever the others have") {
  ModelFlags shared;
  shared.renormalise = true;
  const DatasetInfo data = data_of(20, true);
  CHECK(model_of("superclass", shared, data).moe.renormalise);
  CHECK(!model_of("image", shared, data).moe.renormalise);
  CHECK(!model_of("token", shared, data).moe.renormalise);
  CHECK(model_of("coarse", shared, data).moe.experts == 3);
  shared.balance_weight = 0.5;  // a flag for the routers that need one
  CHECK(model_of("image", shared, data).moe.balance_weight == 0.5);
  CHECK(model_of("superclass", shared, data).moe.balance_weight == 0);
}

TEST_CASE("no super-class of a study has more than twice its share of the classes") {
  // Of eight classes five are confused with each other, the others with none.
  std::vector<double> confusion(64, 0);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t j = 0; j < 8; ++j) confusion[8 * i + j] = i == j ? 50 : i < 5 && j < 5 ? 10 : 0;
  }
  const std::vector<std::string> classes = data_of(8).classes;
  const auto most = [](const Clustering& found) {
    const std::vector<int> sizes = found.super_classes.sizes();
    return *std::max_element(sizes.begin(), sizes.end());
  };
  CHECK(most(cluster_classes(confusion, classes, 4, ClusterMethod::spectral)) == 5);
  CHECK(most(capped_clusters(confusion, classes, 4, ClusterMethod::spectral)) == 4);
}

TEST_CASE("the recipe's hash changes with every flag that changes results, and not with threads") {
  TrainOptions options;
  const std::string hash = hash_of(training_recipe(options));
  CHECK(hash.size() == 16);
  options.threads = 7;
  options.output = "elsewhere";
  options.data = "moved";
  CHECK(hash_of(training_recipe(options)) == hash);
  options.lr = 2e-3;
  CHECK(hash_of(training_recipe(options)) != hash);
}

TEST_CASE("data are known again by what they are") {
  const auto print = [](const char* path) { return data_fingerprint(*open_dataset(path)); };
  const std::string tiny = print("synthetic:families=2,details=2,train=12,test=4,size=8");
  CHECK(tiny == print("synthetic:size=8,families=2,details=2,train=12,test=4"));
  CHECK(tiny != print("synthetic:families=2,details=2,train=12,test=4,size=8,noise=41"));
  CHECK(tiny != print("synthetic:families=2,details=2,train=12,test=5,size=8"));
  CHECK(data_fingerprint(Pixels({0, 1, 1})) == data_fingerprint(Pixels({0, 1, 1})));
  CHECK(data_fingerprint(Pixels({0, 1, 1})) != data_fingerprint(Pixels({0, 1, 0})));
  CHECK(data_fingerprint(Pixels({0, 1, 1})) != data_fingerprint(Pixels({0, 1, 1}, "b")));
}

TEST_CASE("a result is the same after the file, and a line without an end is dropped") {
  const TemporaryFolder folder;
  const auto file = folder / "results.jsonl";
  const std::vector<uint8_t> hits = {1, 0, 0, 1, 1, 0};
  {
    ResultsFile results(file);
    results.append(result_of("dense", 1, hits));
    std::ofstream(file, std::ios::app) << "{\"schema\":1,\"stu";
  }
  ResultsFile results(file);
  REQUIRE(results.all().size() == 1);
  CHECK(results.all()[0].hits == hits);
  CHECK(to_record(results.all()[0]) == to_record(result_of("dense", 1, hits)));
  results.append(result_of("wide", 2, hits));
  const ResultsFile again(file);
  REQUIRE(again.all().size() == 2);
  CHECK(again.find("0123456789abcdef", "wide", 2) == &again.all()[1]);
  CHECK(again.find("0123456789abcdef", "wide", 1) == nullptr);
  CHECK(again.find("f123456789abcdef", "wide", 2) == nullptr);
}

TEST_CASE("two studies write their results into one file, turn by turn, and see each other's") {
  const TemporaryFolder folder;
  const auto file = folder / "results.jsonl";
  ResultsFile one(file), other(file);
  one.append(result_of("dense", 1, {1}));
  other.append(result_of("wide", 1, {0}));
  one.append(result_of("dense", 2, {1}));
  CHECK(one.all().size() == 3);
  CHECK(other.find("0123456789abcdef", "dense", 2) == nullptr);
  other.refresh();
  CHECK(other.find("0123456789abcdef", "dense", 2) != nullptr);
  CHECK(ResultsFile(file).all().size() == 3);
}

TEST_CASE("an arm that two studies have evaluated at the same time has one line") {
  const TemporaryFolder folder;
  ResultsFile one(folder / "results.jsonl"), other(folder / "results.jsonl");
  one.append(result_of("dense", 1, {1}));
  other.append(result_of("dense", 1, {1}));
  CHECK(other.all().size() == 1);
  CHECK(ResultsFile(folder / "results.jsonl").all().size() == 1);
}

TEST_CASE("a last line that has only lost its end is a result, and empty lines are none") {
  const TemporaryFolder folder;
  const auto file = folder / "results.jsonl";
  ResultsFile early(file);
  {
    const std::string line = to_record(result_of("dense", 1, {1, 0})).dump();
    std::ofstream(file) << line << "\n\n" << to_record(result_of("dense", 2, {1, 0})).dump();
  }
  ResultsFile results(file);
  REQUIRE(results.all().size() == 2);
  early.refresh();
  std::ofstream(file, std::ios::app) << '\n';  // from whoever wrote the line
  early.refresh();
  CHECK(early.all().size() == 2);
  results.append(result_of("wide", 1, {0, 0}));
  early.append(result_of("wide", 2, {0, 0}));
  CHECK(ResultsFile(file).all().size() == 4);
}

TEST_CASE("a file of something else is refused as results, and stays") {
  const TemporaryFolder folder;
  const auto file = folder / "notes.txt";
  for (const char* text : {"my precious notes", "my precious notes\n", "{\"schema\":1,\"study\":\"mine\""}) {
    std::ofstream(file) << text;
    CHECK_THROWS_AS(ResultsFile{file}, InputError);
    CHECK(std::filesystem::file_size(file) == std::string(text).size());
  }
}

TEST_CASE("a line that is no result is an error that names file and line") {
  const TemporaryFolder folder;
  const auto file = folder / "results.jsonl";
  { ResultsFile(file).append(result_of("dense", 1, {1, 0})); }
  std::ofstream(file, std::ios::app) << "{\"schema\": 1}\n";
  try {
    ResultsFile{file};
    FAIL("no error");
  } catch (const InputError& error) {
    CHECK(std::string(error.what()).find("results.jsonl', line 2: not a result") != std::string::npos);
  }
  Record record = to_record(result_of("dense", 1, {1, 0, 1, 1, 0}));
  CHECK(record["hits"] == "b0");
  record["n"] = 9;
  CHECK_THROWS_AS(arm_result(record, "here"), InputError);
  record["n"] = (int64_t{1} << 32) + 5;
  CHECK_THROWS_WITH_AS(arm_result(record, "here"), doctest::Contains("'n' must be a whole number"),
                       InputError);
}

TEST_CASE("an arm is compared with dense over the seeds that both have") {
  const std::vector<ArmResult> dense = {result_of("dense", 1, {1, 0, 0, 0}),
                                        result_of("dense", 2, {1, 1, 0, 0})};
  const ArmSummary arm =
      summarise("superclass", "",
                {result_of("superclass", 3, {1, 1, 1, 1}), result_of("superclass", 2, {1, 1, 1, 0})}, dense);
  CHECK(arm.seeds == std::vector<int>{2, 3});
  CHECK(arm.mean == 0.875);
  CHECK(std::abs(arm.spread - std::sqrt(2.0) / 8) <= 1e-15);
  CHECK(arm.figures.p50_ms == 2.5);
  REQUIRE(arm.to_dense);
  CHECK(arm.to_dense->mean == 25);  // seed 2 alone
  CHECK(!summarise("dense", "", dense, dense).to_dense);
  CHECK(!summarise("wide", "", {result_of("wide", 9, {1, 0, 0, 0})}, dense).to_dense);
}
