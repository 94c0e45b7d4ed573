#include <filesystem>

#include "data/dataset.h"
#include "data/idx_file.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

/// The set of write_idx_set, wherever it is read from.
void check_idx_set(const std::string& path) {
  const auto data = open_dataset(path);
  ImageScratch scratch;
  CHECK(data->info().format == "idx");
  CHECK(data->info().classes == std::vector<std::string>{"0", "1", "2"});
  CHECK(data->info().channels == 1);
  CHECK((data->info().min_width == 2 && data->info().max_height == 3));
  REQUIRE(data->size(Split::train) == 6);
  REQUIRE(data->size(Split::test) == 4);
  CHECK(data->labels(Split::train) == std::vector<int>{0, 1, 2, 0, 1, 2});
  CHECK(data->labels(Split::test) == std::vector<int>{2, 1, 0, 2});
  const ImageView image = data->image(Split::test, 1, scratch);
  CHECK((image.width == 2 && image.height == 3 && image.channels == 1));
  CHECK(ByteVector(image.pixels, image.pixels + 6) == ByteVector{106, 107, 108, 109, 110, 111});
  CHECK(data->name(Split::test, 1).find("t10k-images") != std::string::npos);
}

/// Opening a set of which one file was replaced must end in this message.
void check_refusal(const std::string& file, const ByteVector& bytes, const std::string& words) {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_bytes(folder / file, bytes);
  const std::string line = error_of<InputError>([&] { open_dataset(folder.path()); }, words);
  CHECK_MESSAGE(line.find(file) != std::string::npos, line);
}

constexpr const char* kImages = "train-images-idx3-ubyte";
constexpr const char* kLabels = "train-labels-idx1-ubyte";

}  // namespace

TEST_CASE("IDX: a folder of four plain files") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  check_idx_set(folder.path());
}

TEST_CASE("IDX: a folder of four compressed files") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  check_idx_set(folder.path());
}

TEST_CASE("IDX: names may have a dot before idx3") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), false, '.');
  check_idx_set(folder.path());
}

TEST_CASE("IDX: one of the four files leads to the others") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  check_idx_set(folder / "t10k-labels-idx1-ubyte");
}

TEST_CASE("IDX: the four files joined by commas") {
  const TemporaryFolder a, b;
  write_idx_set(a.path());
  write_idx_set(b.path(), true);
  const std::string train = (a / kImages).string() + "," + (a / kLabels).string();
  const std::string test =
      (b / "t10k-images-idx3-ubyte.gz").string() + "," + (b / "t10k-labels-idx1-ubyte.gz").string();
  check_idx_set(train + "," + test);
}

TEST_CASE("IDX: a plain file is taken rather than its compressed twin") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_bytes(folder / "train-images-idx3-ubyte.gz", text_bytes("not read"));
  check_idx_set(folder.path());
}

TEST_CASE("IDX: several sets in a folder need a file's name") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}) {
    std::filesystem::copy(folder / name, folder / ("emnist-" + std::string(name)));
  }
  error_of<InputError>([&] { open_dataset(folder.path()); }, "several data sets");
  CHECK(open_dataset(folder / "emnist-train-images-idx3-ubyte")->size(Split::test) == 0);
  check_idx_set(folder / kImages);
}

TEST_CASE("IDX: compressed data may come in several members") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  const ByteVector plain = read_bytes(folder / kImages);
  const ByteVector start(plain.begin(), plain.begin() + 20), rest(plain.begin() + 20, plain.end());
  std::filesystem::remove(folder / kImages);
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzipped(start) + gzipped(rest));
  check_idx_set(folder.path());
}

TEST_CASE("IDX: class names are read from a file beside the data or one folder up") {
  const TemporaryFolder folder;
  write_idx_set(folder / "data");
  write_text(folder / "labels.txt", "shirt\r\nshoe\r\n\r\nbag\r\n");
  CHECK(open_dataset(folder / "data")->info().classes == std::vector<std::string>{"shirt", "shoe", "bag"});
  write_text(folder / "data" / "labels.txt", "a\nb\nc\nd\n");
  CHECK(open_dataset(folder / "data")->info().classes == std::vector<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("IDX: class names that come twice are refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_text(folder / "labels.txt", "shirt\nshoe\nshirt\n");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "class 'shirt' comes twice");
}

TEST_CASE("IDX: an empty file is refused") {
  check_refusal(kImages, {}, "the file is empty");
}

TEST_CASE("IDX: garbage is refused") {
  check_refusal(kImages, text_bytes("garbage, really"), "IDX images start with");
}

TEST_CASE("IDX: a file of labels in the place of images is refused") {
  check_refusal(kImages, idx_labels({0, 1}), "byte 0");
}

TEST_CASE("IDX: a truncated header is refused") {
  check_refusal(kImages, be32(0x803) + be32(6), "the header");
}

TEST_CASE("IDX: truncated images are refused") {
  ByteVector bytes = idx_images(6, 3, 2);
  bytes.pop_back();
  check_refusal(kImages, bytes, "byte 51: the file ends early");
}

TEST_CASE("IDX: bytes after the images are refused") {
  check_refusal(kImages, idx_images(6, 3, 2) + ByteVector{1, 2, 3}, "byte 52: 3 bytes follow");
}

TEST_CASE("IDX: an oversized claim is refused without taking memory for it") {
  check_refusal(kImages, be32(0x803) + be32(0xFFFFFFFF) + be32(65535) + be32(1000), "ends early");
  check_refusal(kImages, be32(0x803) + be32(1) + be32(0xFFFFFFFF) + be32(0xFFFFFFFF),
                "byte 8: the image claims 4294967295 x 4294967295 pixels; at most 65535 a side");
  check_refusal(kImages, be32(0x803) + be32(1) + be32(1) + be32(65536), "65536 x 1 pixels; at most 65535");
  check_refusal(kImages, be32(0x803) + be32(1) + be32(0) + be32(1), "the image has no pixels");
}

TEST_CASE("IDX: a file without images is refused") {
  check_refusal(kImages, idx_images(0, 3, 2), "byte 4: the file holds no images");
}

TEST_CASE("IDX: numbers of images and labels must agree") {
  check_refusal(kLabels, idx_labels({0, 1, 2, 0, 1}), "byte 4: 5 labels, but");
}

TEST_CASE("IDX: truncated labels are refused") {
  ByteVector bytes = idx_labels({0, 1, 2, 0, 1, 2});
  bytes.pop_back();
  check_refusal(kLabels, bytes, "byte 13: the file ends early");
}

TEST_CASE("IDX: a label that has no name is out of range") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_text(folder / "labels.txt", "a\nb\n");
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "byte 10: label 2 is out of range; there are 2 classes");
}

TEST_CASE("IDX: a test label that training does not know is out of range") {
  check_refusal("t10k-labels-idx1-ubyte", idx_labels({0, 1, 9, 2}), "byte 10: label 9 is out of range");
}

TEST_CASE("IDX: images without labels are refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  std::filesystem::remove(folder / kLabels);
  error_of<InputError>([&] { open_dataset(folder.path()); }, "file of its labels is missing");
}

TEST_CASE("IDX: a single class is too few") {
  const TemporaryFolder folder;
  write_bytes(folder / kImages, idx_images(2, 3, 2));
  write_bytes(folder / kLabels, idx_labels({0, 0}));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "at least two");
}

TEST_CASE("IDX: a truncated .gz is refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  ByteVector bytes = read_bytes(folder / "train-images-idx3-ubyte.gz");
  for (const size_t length : {bytes.size() - 1, bytes.size() - 9, size_t{12}}) {
    write_bytes(folder / "train-images-idx3-ubyte.gz", ByteVector(bytes.begin(), bytes.begin() + length));
    error_of<InputError>([&] { open_dataset(folder.path()); }, "ends early");
  }
}

TEST_CASE("IDX: a damaged .gz is refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  ByteVector bytes = read_bytes(folder / "train-images-idx3-ubyte.gz");
  bytes[bytes.size() - 6] ^= 1;  // in the checksum
  write_bytes(folder / "train-images-idx3-ubyte.gz", bytes);
  error_of<InputError>([&] { open_dataset(folder.path()); }, "damaged");
}

TEST_CASE("IDX: bytes after a .gz are refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  const auto path = folder / "train-images-idx3-ubyte.gz";
  write_bytes(path, read_bytes(path) + text_bytes("xyz"));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "3 bytes follow the compressed data");
}

TEST_CASE("IDX: a .gz that unpacks to more than its header says is refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzipped(idx_images(6, 3, 2) + ByteVector(1000, 0)));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "unpacks to more than the 52 bytes");
}

TEST_CASE("IDX: a .gz that claims gigabytes is refused before they are taken") {
  const TemporaryFolder folder;
  write_idx_set(folder.path(), true);
  const ByteVector header = be32(0x803) + be32(100000000) + be32(28) + be32(28);
  write_bytes(folder / "train-images-idx3-ubyte.gz", gzipped(header + ByteVector(100, 0)));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "384 MiB");
}

TEST_CASE("IDX: compressed files share the memory for what they unpack to") {
  const TemporaryFolder folder;
  const std::string path = folder / "train-images-idx3-ubyte.gz";
  write_bytes(path, gzipped(idx_images(6, 3, 2)));  // 16 + 36 bytes
  CHECK(IdxFile(path, IdxFile::Content::images, 52).unpacked_bytes() == 52);
  error_of<InputError>([&] { IdxFile(path, IdxFile::Content::images, 51); }, "at most 384 MiB a data set");
}

TEST_CASE("IDX: more than 16 Mi images are refused") {
  constexpr uint32_t kCount = (1 << 24) + 1;
  const TemporaryFolder folder;
  write_bytes(folder / kImages, be32(0x803) + be32(kCount) + be32(1) + be32(1));
  write_bytes(folder / kLabels, be32(0x801) + be32(kCount));
  std::filesystem::resize_file(folder / kImages, 16 + kCount);  // without taking room on the disk
  std::filesystem::resize_file(folder / kLabels, 8 + kCount);
  error_of<InputError>([&] { open_dataset(folder.path()); }, "byte 4: 16777217 images; at most 16 Mi");
}

TEST_CASE("IDX: more class names than a label can tell apart are refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  std::string names;
  for (int i = 0; i < 257; ++i) names += std::to_string(i) + "\n";
  write_text(folder / "label_names.txt", names);
  error_of<InputError>([&] { open_dataset(folder.path()); }, "257 class names");
}

TEST_CASE("IDX: a huge file of class names is refused") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_text(folder / "label_names.txt", std::string(3 << 20, 'x'));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "label_names.txt: the file has 3 MiB");
}

TEST_CASE("IDX: class names are UTF-8 whatever the file holds, as they are in a model file") {
  const TemporaryFolder folder;
  write_idx_set(folder.path());
  write_text(folder / "label_names.txt", "caf\xe9\nc\xc3\xa4t\ndog\n");
  CHECK(open_dataset(folder.path())->info().classes ==
        std::vector<std::string>{"caf\xef\xbf\xbd", "c\xc3\xa4t", "dog"});
  write_text(folder / "label_names.txt", "\xe9\n\xe8\ndog\n");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "comes twice");
}
