#include <sys/stat.h>

#include <filesystem>

#include "data/dataset.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

TEST_CASE("image folder: classes by name, files by name, sizes from the headers") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  const auto data = open_dataset(folder.path());
  ImageScratch scratch;
  CHECK(data->info().format == "folder");
  CHECK(data->info().classes == std::vector<std::string>{"cat", "dog", "owl"});
  CHECK(data->info().channels == 3);
  CHECK(data->labels(Split::train) == std::vector<int>{0, 0, 0, 1, 1, 1, 2, 2, 2});
  CHECK(data->labels(Split::test) == std::vector<int>{0, 0, 1, 1, 2, 2});
  CHECK((data->info().min_width == 3 && data->info().max_width == 50));
  CHECK((data->info().min_height == 2 && data->info().max_height == 26));
  CHECK(data->name(Split::train, 5) == (folder / "train" / "dog" / "c.ppm").string());
  const ImageView image = data->image(Split::train, 5, scratch);
  CHECK((image.width == 50 && image.pixels[0] == 50));
  CHECK(data->info().largest_scratch > 37 * 26 * 3);
}

TEST_CASE("image folder: all grey images make one channel") {
  const TemporaryFolder folder;
  for (const std::string name : {"a", "b"}) {
    write_bytes(folder / "train" / name / "x.pgm", plain_pnm(3, 3, 1, 9));
  }
  CHECK(open_dataset(folder.path())->info().channels == 1);
}

TEST_CASE("image folder: the test split is test, else val") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  std::filesystem::rename(folder / "test", folder / "val");
  CHECK(open_dataset(folder.path())->size(Split::test) == 6);
  write_bytes(folder / "test" / "cat" / "x.pgm", plain_pnm(3, 3, 1, 9));
  CHECK(open_dataset(folder.path())->size(Split::test) == 1);
}

TEST_CASE("image folder: a test folder alone can be opened") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  std::filesystem::remove_all(folder / "train");
  const auto data = open_dataset(folder.path());
  CHECK(data->size(Split::train) == 0);
  CHECK(data->size(Split::test) == 6);
}

TEST_CASE("image folder: an upright size is told for pictures that were held sideways") {
  const TemporaryFolder folder;
  for (const std::string name : {"a", "b"}) {
    write_bytes(folder / "train" / name / "x.jpg", fixture_bytes("images/orientation_6.jpg"));
  }
  const auto data = open_dataset(folder.path());
  CHECK((data->info().max_width == 24 && data->info().max_height == 16));
}

TEST_CASE("image folder: a class folder without images is refused by name") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  std::filesystem::create_directories(folder / "train" / "zebra");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "train/zebra: a class folder without images");
  const auto broken = open_dataset(folder.path(), {.keep_broken = true})->info().broken;  // to list them
  REQUIRE(broken.size() == 1);
  CHECK(broken[0].reason.find("without images") != std::string::npos);
}

TEST_CASE("image folder: a test class that training does not have is refused") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  std::filesystem::rename(folder / "test" / "owl", folder / "test" / "eagle");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "test/eagle: a class without a folder");
}

TEST_CASE("image folder: one class is too few") {
  const TemporaryFolder folder;
  write_bytes(folder / "train" / "only" / "x.pgm", plain_pnm(3, 3, 1, 9));
  error_of<InputError>([&] { open_dataset(folder.path()); }, "1 class; a classifier needs at least two");
}

TEST_CASE("image folder: no class at all is too few") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "train");
  error_of<InputError>([&] { open_dataset(folder.path()); }, "0 classes; a classifier needs at least two");
}

TEST_CASE("image folder: hidden files are left out") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  write_text(folder / "train" / "cat" / ".DS_Store", "not an image");
  CHECK(open_dataset(folder.path())->size(Split::train) == 9);
}

TEST_CASE("image folder: a file that is no image is refused by name when it is opened") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  write_text(folder / "train" / "cat" / "notes.txt", "not an image");
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "train/cat/notes.txt: neither JPEG nor PNG nor PNM");
}

TEST_CASE("image folder: an empty file is refused by name when it is opened") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  write_bytes(folder / "test" / "dog" / "z.png", {});
  error_of<InputError>([&] { open_dataset(folder.path()); }, "test/dog/z.png: the file is empty");
}

TEST_CASE("image folder: a pipe among the images does not stop the program") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  REQUIRE(mkfifo((folder / "train" / "cat" / "pipe").c_str(), 0600) == 0);
  error_of<IoError>([&] { open_dataset(folder.path()); }, "train/cat/pipe': it is not a regular file");
}

TEST_CASE("image folder: broken headers are listed when asked for") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  write_text(folder / "train" / "cat" / "notes.txt", "not an image");
  const auto data = open_dataset(folder.path(), {.keep_broken = true});
  CHECK(data->size(Split::train) == 9);
  REQUIRE(data->info().broken.size() == 1);
  CHECK(data->info().broken[0].path.ends_with("train/cat/notes.txt"));
}

TEST_CASE("image folder: announcing an image is harmless, also when the file is gone") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  const auto data = open_dataset(folder.path());
  std::filesystem::remove(data->name(Split::train, 0));
  data->announce(Split::train, 0);
  data->announce(Split::train, 1);
  ImageScratch scratch;
  error_of<IoError>([&] { data->image(Split::train, 0, scratch); }, "cannot read");
}

TEST_CASE("image folder: class names are UTF-8 whatever the folders are called") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  for (const char* split : {"train", "test"})
    std::filesystem::rename(folder / split / "dog", folder / split / "d\xf6g");
  const auto data = open_dataset(folder.path());
  CHECK(data->info().classes == std::vector<std::string>{"cat", "d\xef\xbf\xbdg", "owl"});
  ImageScratch scratch;
  for (int64_t i = 0; i < data->size(Split::train); ++i) data->image(Split::train, i, scratch);
  for (const char* split : {"train", "test"})
    std::filesystem::rename(folder / split / "owl", folder / split / "d\xe4g");
  error_of<InputError>([&] { open_dataset(folder.path()); },
                       "two class folders would both be called 'd\xef\xbf\xbdg'");
}
