// The public data sets themselves, where they are at hand: VMOE_DATA names the folder that holds them.

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "data/batch.h"
#include "data/describe.h"
#include "tests/data/files.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

/// The folder of a data set; says so and gives "" where there is none.
std::string real_data(const std::string& name) {
  const char* root = std::getenv("VMOE_DATA");
  const std::string path = root == nullptr ? "" : std::string(root) + "/" + name;
  if (!path.empty() && std::filesystem::exists(path)) return path;
  MESSAGE("skipped: VMOE_DATA does not name a folder that holds " << name);
  return "";
}

}  // namespace

TEST_CASE("Fashion-MNIST: 60,000 and 10,000 images with the published mean and deviation") {
  const std::string path = real_data("fashion-mnist");
  if (path.empty()) return;
  const auto data = open_dataset(path);
  CHECK(data->size(Split::train) == 60000);
  CHECK(data->size(Split::test) == 10000);
  CHECK(data->classes() == 10);
  Preprocess p;
  p.image_size = 28;
  p.channels = 1;
  std::vector<int64_t> indices(60000);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<int64_t>(i);
  measure_mean_deviation(*data, Split::train, indices, p);
  CHECK(std::fabs(p.mean[0] - 0.2860) <= 5e-5);
  CHECK(std::fabs(p.deviation[0] - 0.3530) <= 5e-5);
}

TEST_CASE("CIFAR-100: names, and five fine classes in every super-class") {
  const std::string path = real_data("cifar-100-binary");
  if (path.empty()) return;
  const auto data = open_dataset(path);
  CHECK(data->info().classes[0] == "apple");
  CHECK(data->info().coarse_classes[4] == "fruit_and_vegetables");
  std::vector<int> members(20);
  for (const int coarse : data->info().coarse_of_class) ++members[static_cast<size_t>(coarse)];
  CHECK(members == std::vector<int>(20, 5));
  CHECK(data->info().coarse_of_class[0] == 4);
}

TEST_CASE("Caltech-101, 12 classes: every file decodes") {
  const std::string path = real_data("caltech101-12");
  if (path.empty()) return;
  const DataReport report = describe_dataset(path);
  CHECK(report.info.broken.empty());
  CHECK(report.train.per_class == std::vector<int64_t>(12, 22));
  CHECK(report.test.per_class == std::vector<int64_t>(12, 8));
  CHECK((report.info.min_width == 172 && report.info.max_width == 300));
}
