#include "data/describe.h"

#include <nlohmann/json.hpp>

#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

TEST_CASE("a report counts images of every class and split") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  const DataReport report = describe_dataset(folder.path());
  CHECK(report.train.images == 6);
  CHECK(report.train.per_class == std::vector<int64_t>{2, 2, 2});
  CHECK(report.test.per_class == std::vector<int64_t>{1, 1, 2});
  CHECK(report.info.broken.empty());
}

TEST_CASE("a report lists every broken file of a folder, whether header or pixels are broken") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  ByteVector jpeg = read_bytes(folder / "train" / "dog" / "a.jpg");
  jpeg.resize(jpeg.size() - 50);
  write_bytes(folder / "train" / "dog" / "a.jpg", jpeg);
  write_text(folder / "train" / "cat" / "notes.txt", "not an image");
  write_bytes(folder / "test" / "owl" / "z.png", {});
  const DataReport report = describe_dataset(folder.path());
  REQUIRE(report.info.broken.size() == 3);
  CHECK(report.info.broken[0].path.ends_with("test/owl/z.png"));
  CHECK(report.info.broken[1].path.ends_with("train/cat/notes.txt"));
  CHECK(report.info.broken[2].path.ends_with("train/dog/a.jpg"));
  CHECK(report.info.broken[2].reason.find("ends early") != std::string::npos);
}

TEST_CASE("a report as JSON") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  const nlohmann::json json = to_json(describe_dataset(folder.path()));
  CHECK(json["schema"] == 1);
  CHECK(json["format"] == "folder");
  CHECK(json["classes"] == nlohmann::json({"cat", "dog", "owl"}));
  CHECK(json["train"]["images"] == 9);
  CHECK(json["test"]["per_class"] == nlohmann::json({2, 2, 2}));
  CHECK(json["width"]["max"] == 50);
  CHECK(json["broken"].empty());
}

TEST_CASE("a report as text") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  write_text(folder / "train" / "cat" / "notes.txt", "not an image");
  const std::string text = to_text(describe_dataset(folder.path()));
  CHECK(text.find("folder, 3 classes, RGB images 3 to 50 x 2 to 26 pixels\n") != std::string::npos);
  CHECK(text.find("9 training images, 6 test images\n") != std::string::npos);
  CHECK(text.find("dog         3       2\n") != std::string::npos);
  CHECK(text.find("1 broken files:\n") != std::string::npos);
  CHECK(text.find("notes.txt: neither JPEG") != std::string::npos);
}
