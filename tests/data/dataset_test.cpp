// How formats are recognised, and the generated data set.

#include "data/dataset.h"

#include <filesystem>

#include "tensor/hash.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

uint64_t fingerprint(const Dataset& data) {
  ImageScratch scratch;
  Hash hash;
  for (const Split split : {Split::train, Split::test}) {
    for (int64_t i = 0; i < data.size(split); ++i) {
      ImageScratch::Frame frame(scratch);
      const ImageView image = data.image(split, i, scratch);
      hash.add(image.pixels, static_cast<size_t>(image.bytes()));
    }
  }
  return hash.value();
}

}  // namespace

TEST_CASE("a path that does not exist is an error of reading") {
  error_of<IoError>([] { open_dataset("/nowhere/at/all"); }, "no such file");
}

TEST_CASE("a folder that is no data set is told what one looks like") {
  const TemporaryFolder folder;
  error_of<InputError>([&] { open_dataset(folder.path()); }, "not a data set");
  write_text(folder / "file.txt", "hello");
  error_of<InputError>([&] { open_dataset(folder / "file.txt"); }, "not a data set");
}

TEST_CASE("--format overrides what is recognised") {
  const TemporaryFolder folder;
  write_cifar10(folder.path());
  write_cifar100(folder.path());
  CHECK(open_dataset(folder.path())->info().format == "cifar10");
  CHECK(open_dataset(folder.path(), {.format = "cifar100"})->info().format == "cifar100");
  error_of<InputError>([&] { open_dataset(folder.path(), {.format = "idx"}); }, "no IDX files");
  error_of<InputError>([&] { open_dataset(folder.path(), {.format = "folder"}); },
                       "neither a train nor a test folder");
}

TEST_CASE("an unknown format or kind of labels is wrong usage") {
  error_of<UsageError>([] { open_dataset("synthetic", {.format = "hdf5"}); }, "unknown data format 'hdf5'");
  error_of<UsageError>([] { open_dataset("synthetic", {.labels = "finest"}); }, "unknown labels 'finest'");
}

TEST_CASE("synthetic: 20 classes in 5 super-classes") {
  const auto data = open_dataset("synthetic:train=2,test=1");
  CHECK(data->info().format == "synthetic");
  CHECK(data->classes() == 20);
  CHECK(data->info().coarse_classes ==
        std::vector<std::string>{"disc", "square", "triangle", "cross", "ring"});
  CHECK(data->info().coarse_of_class[7] == 1);
  CHECK(data->info().classes[7] == "square-4");
  CHECK(data->size(Split::train) == 40);
  CHECK(data->size(Split::test) == 20);
  ImageScratch scratch;
  const ImageView image = data->image(Split::test, 3, scratch);
  CHECK((image.width == 32 && image.height == 32 && image.channels == 3));
}

TEST_CASE("synthetic: coarse labels make the super-classes the classes") {
  const auto data = open_dataset("synthetic:train=2,test=1", {.labels = "coarse"});
  CHECK(data->classes() == 5);
  CHECK(data->info().coarse_of_class.empty());
  CHECK(data->label(Split::train, 7) == 1);
}

TEST_CASE("synthetic: keys change counts, size and seed") {
  const auto data = open_dataset("synthetic:families=2,details=3,train=4,test=2,size=16,noise=0,seed=3");
  CHECK(data->classes() == 6);
  CHECK(data->size(Split::train) == 24);
  CHECK(data->info().max_width == 16);
  CHECK(fingerprint(*data) !=
        fingerprint(*open_dataset("synthetic:families=2,details=3,train=4,test=2,size=16,noise=0")));
}

TEST_CASE("synthetic: the same bytes on every machine") {
  CHECK(fingerprint(*open_dataset("synthetic:train=5,test=2")) == 477468718209168715u);
}

TEST_CASE("synthetic: training and test images differ") {
  const auto data = open_dataset("synthetic:families=2,details=1,train=3,test=3");
  ImageScratch scratch;
  CHECK(largest_difference(data->image(Split::train, 0, scratch), data->image(Split::test, 0, scratch)) > 10);
}

TEST_CASE("synthetic: wrong keys and values are wrong usage") {
  error_of<UsageError>([] { open_dataset("synthetic:colour=3"); }, "'colour=3' is not KEY=VALUE");
  error_of<UsageError>([] { open_dataset("synthetic:train"); }, "'train' is not KEY=VALUE");
  error_of<UsageError>([] { open_dataset("synthetic:train=0"); }, "train=0 is out of range 1 .. 100000");
  error_of<UsageError>([] { open_dataset("synthetic:train=99999999999"); }, "out of range");
  error_of<UsageError>([] { open_dataset("synthetic:train=-3"); }, "out of range");
  error_of<UsageError>([] { open_dataset("synthetic:train=100000,size=512"); }, "more than 256 MiB");
  error_of<UsageError>([] { open_dataset("/tmp", {.format = "synthetic"}); }, "'/tmp' is not synthetic data");
  error_of<InputError>([] { open_dataset("synthetic:families=1,details=1"); }, "at least two");
}
