#include "data/dataset.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/formats.h"
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

void require_exists(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return;
  throw IoError("cannot read '" + path + "': " + (error ? error.message() : "no such file or folder"));
}

std::string valid_utf8(const std::string& text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

std::vector<std::string> number_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

std::vector<std::string> list_folder(const std::string& folder, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entries(folder, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    std::error_code unreadable;
    const bool wanted = folders ? entries->is_directory(unreadable) : !entries->is_directory(unreadable);
    const std::string name = entries->path().filename().string();
    if (wanted && name[0] != '.') names.push_back(name);
  }
  if (error) throw IoError("cannot read folder '" + folder + "': " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

std::string name_of_data(const std::string& path) {
  namespace fs = std::filesystem;
  if (path == "synthetic" || path.starts_with("synthetic:")) return "synthetic";
  std::error_code ignored;
  const fs::path data = fs::weakly_canonical(path, ignored);
  return data.has_filename() ? data.filename().string() : "data";
}

}  // namespace vmoe
