#include <filesystem>

#include "data/dataset.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

TEST_CASE("CIFAR-10: batches in the order of their names, planes become pixels") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  const auto data = open_dataset(folder.path());
  ImageScratch scratch;
  CHECK(data->info().format == "cifar10");
  CHECK(data->classes() == 10);
  CHECK(data->info().classes[3] == "3");
  CHECK(data->info().coarse_of_class.empty());
  REQUIRE(data->size(Split::train) == 20);
  REQUIRE(data->size(Split::test) == 10);
  CHECK(data->label(Split::train, 13) == 3);
  const ImageView image = data->image(Split::train, 13, scratch);  // record 3 of the second file
  CHECK((image.width == 32 && image.height == 32 && image.channels == 3));
  CHECK(ByteVector(image.pixels, image.pixels + 6) == ByteVector{13, 14, 15, 13, 14, 15});
  CHECK(data->name(Split::train, 13).find("data_batch_2.bin, record 3") != std::string::npos);
}

TEST_CASE("CIFAR-10: class names come from batches.meta.txt") {
  const TemporaryFolder folder;
  write_cifar10(folder / "data");
  write_text(folder / "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  CHECK(open_dataset(folder / "data")->info().classes[9] == "j");
}

TEST_CASE("CIFAR-10: class names of another number are refused") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  write_text(folder / "batches.meta.txt", "a\nb\n");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "2 class names; the data has 10 classes");
}

TEST_CASE("CIFAR-10: there are no coarse labels") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  error_of<UsageError>([&] { open_dataset(folder.path(), {.labels = "coarse"}); }, "no coarse labels");
}

TEST_CASE("CIFAR-100: fine labels, and the super-class of each learnt from the records") {
  const TemporaryFolder folder;
  write_cifar100(folder.path());
  const auto data = open_dataset(folder.path());
  CHECK(data->info().format == "cifar100");
  CHECK(data->classes() == 100);
  CHECK(data->info().coarse_classes.size() == 20);
  REQUIRE(data->info().coarse_of_class.size() == 100);
  for (int fine = 0; fine < 100; ++fine)
    CHECK(data->info().coarse_of_class[static_cast<size_t>(fine)] == fine % 20);
  CHECK(data->label(Split::train, 150) == 50);
  CHECK(data->size(Split::test) == 100);
}

TEST_CASE("CIFAR-100: coarse labels as the classes") {
  const TemporaryFolder folder;
  write_cifar100(folder.path());
  write_text(folder / "coarse_label_names.txt", [] {
    std::string names;
    for (char c = 'a'; c < 'a' + 20; ++c) names += std::string(1, c) + "\n";
    return names;
  }());
  const auto data = open_dataset(folder.path(), {.labels = "coarse"});
  CHECK(data->classes() == 20);
  CHECK(data->info().classes[3] == "d");
  CHECK(data->label(Split::train, 150) == 10);
  CHECK(data->info().coarse_of_class.empty());
}

TEST_CASE("CIFAR-100: any number of records will do") {
  const TemporaryFolder folder;
  write_bytes(folder / "train.bin", cifar_record({3, 70}, 1));
  const auto data = open_dataset(folder.path());
  CHECK(data->size(Split::train) == 1);
  CHECK(data->size(Split::test) == 0);
  CHECK(data->info().coarse_of_class[70] == 3);
}

TEST_CASE("CIFAR-100: a fine label in two super-classes is refused") {
  const TemporaryFolder folder;
  write_bytes(folder / "train.bin", cifar_record({3, 70}, 1) + cifar_record({4, 70}, 1));
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "byte 3074: fine label 70 has coarse label 4 here and 3 in an earlier record");
}

TEST_CASE("CIFAR-100: labels out of range are refused") {
  const TemporaryFolder folder;
  write_bytes(folder / "train.bin", cifar_record({3, 70}, 1) + cifar_record({3, 100}, 1));
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "train.bin, byte 3075: label 100 is out of range");
  write_bytes(folder / "train.bin", cifar_record({20, 70}, 1));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "train.bin, byte 0: label 20 is out of range");
}

TEST_CASE("CIFAR-10: a label out of range is refused") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  write_bytes(folder / "data_batch_2.bin", cifar_record({10}, 1));
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "data_batch_2.bin, byte 0: label 10 is out of range");
}

TEST_CASE("CIFAR: a truncated record is refused with its place") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  ByteVector bytes = cifar_record({1}, 1) + cifar_record({2}, 2);
  bytes.resize(bytes.size() - 100);
  write_bytes(folder / "data_batch_1.bin", bytes);
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "data_batch_1.bin, byte 3073: the last record has 2973 bytes");
}

TEST_CASE("CIFAR: bytes after the last record are refused") {
  const TemporaryFolder folder;
  write_cifar100(folder.path());
  write_bytes(folder / "test.bin", read_bytes(folder / "test.bin") + ByteVector{1, 2});
  error_of<InputError>([&] { open_dataset(folder.path()); }, "byte 307400: the last record has 2 bytes");
}

TEST_CASE("CIFAR: an empty file is refused") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  write_bytes(folder / "test_batch.bin", {});
  error_of<InputError>([&] { open_dataset(folder.path()); }, "test_batch.bin: the file is empty");
}

TEST_CASE("CIFAR: garbage is refused") {
  const TemporaryFolder folder;
  write_bytes(folder / "train.bin", text_bytes("this is no CIFAR file"));
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "train.bin, byte 0: the last record has 21 bytes");
}
