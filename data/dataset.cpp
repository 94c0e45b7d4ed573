#include "data/dataset.h"

#include <filesystem>

#include "data/formats.h"
#include "data/names.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

struct Format {
  const char* name;
  bool (*recognises)(const std::string& path);
  std::unique_ptr<Dataset> (*open)(const std::string& path, const DatasetOptions& options);
};

constexpr Format kFormats[] = {
    {"synthetic", is_synthetic, open_synthetic},
    {"folder", is_image_folder, open_image_folder},
    {"cifar10", is_cifar10, open_cifar10},
    {"cifar100", is_cifar100, open_cifar100},
    {"idx", is_idx, open_idx},
};

const Format& find_format(const std::string& path, const std::string& wanted) {
  std::string names = "auto";
  for (const Format& format : kFormats) {
    if (wanted == "auto" ? format.recognises(path) : wanted == format.name) return format;
    names += std::string(", ") + format.name;
  }
  if (wanted != "auto") throw UsageError("unknown data format '" + wanted + "'; there are " + names);
  require_exists(path);
  throw InputError(path +
                   ": not a data set. It should hold train and test folders of class folders (images), "
                   "data_batch_*.bin and test_batch.bin (CIFAR-10), train.bin and test.bin (CIFAR-100), or "
                   "train-images-idx3-ubyte and its three companions (IDX)");
}

}  // namespace

const char* to_string(Split split) {
  return split == Split::train ? "train" : "test";
}

std::unique_ptr<Dataset> open_dataset(const std::string& path, const DatasetOptions& options) {
  if (options.labels != "fine" && options.labels != "coarse") {
    throw UsageError("unknown labels '" + options.labels + "'; there are fine and coarse");
  }
  auto dataset = find_format(path, options.format).open(path, options);
  const size_t classes = dataset->info().classes.size();
  if (classes < 2) {
    throw InputError(path + ": " + std::to_string(classes) + (classes == 1 ? " class" : " classes") +
                     "; a classifier needs at least two");
  }
  return dataset;
}

std::string name_of_data(const std::string& path) {
  namespace fs = std::filesystem;
  if (is_synthetic(path)) return "synthetic";
  std::error_code ignored;
  const fs::path data = fs::weakly_canonical(path, ignored);
  return data.has_filename() ? data.filename().string() : "data";
}

}  // namespace vmoe
