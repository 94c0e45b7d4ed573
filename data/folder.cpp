// Image folders: PATH/train/CLASS/*, PATH/test/CLASS/* (or PATH/val/CLASS/* where there is no test folder).
// Every file of a class folder is an image; hidden files are left out.

#include <algorithm>
#include <filesystem>
#include <set>

#include "data/decode.h"
#include "data/file.h"
#include "data/formats.h"
#include "data/names.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

bool is_folder(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

class FolderDataset : public Dataset {
 public:
  FolderDataset(const std::string& path, const DatasetOptions& options) : keep_broken_(options.keep_broken) {
    if (options.labels == "coarse") throw UsageError(path + ": image folders have no coarse labels");
    info_.path = path;
    info_.format = "folder";
    info_.channels = 1;  // until a colour image is seen
    const std::string test = is_folder(path + "/test") ? "/test" : "/val";
    require_exists(path);
    const std::string folders[2] = {path + "/train", path + test};
    if (!is_folder(folders[0]) && !is_folder(folders[1]))
      throw InputError(path + ": neither a train nor a test folder");
    info_.classes = list_folder(is_folder(folders[0]) ? folders[0] : folders[1], true);
    ImageScratch scratch;
    for (int split = 0; split < 2; ++split) {
      if (is_folder(folders[split])) add_split(split, folders[split], scratch);
    }
    name_classes();
  }

  ImageView image(Split split, int64_t i, ImageScratch& scratch) const override {
    return load_image(path(split, i), scratch);
  }
  std::string name(Split split, int64_t i) const override { return path(split, i); }
  void announce(Split split, int64_t i) const override { announce_file(path(split, i)); }

 private:
  // As text, which bytes that are not UTF-8 may make the same.
  void name_classes() {
    std::set<std::string> taken;
    for (std::string& name : info_.classes) {
      name = valid_utf8(name);
      if (!taken.insert(name).second) {
        throw InputError(info_.path + ": two class folders would both be called '" + name +
                         "', as their names are not UTF-8; rename one");
      }
    }
  }

  const std::string& path(Split split, int64_t i) const {
    return paths_[split == Split::test][static_cast<size_t>(i)];
  }

  void add_split(int split, const std::string& folder, ImageScratch& scratch) {
    for (const std::string& name : list_folder(folder, true)) {
      const auto place = std::lower_bound(info_.classes.begin(), info_.classes.end(), name);
      if (place == info_.classes.end() || *place != name) {
        throw InputError(folder + "/" + name + ": a class without a folder in " + info_.path + "/train");
      }
      add_class(split, folder + "/" + name, static_cast<int>(place - info_.classes.begin()), scratch);
    }
  }

  void add_class(int split, const std::string& folder, int label, ImageScratch& scratch) {
    const std::vector<std::string> files = list_folder(folder, false);
    for (const std::string& file : files) add_image(split, folder + "/" + file, label, scratch);
    if (!files.empty()) return;
    const InputError error(folder + ": a class folder without images");
    if (!keep_broken_) throw error;
    info_.broken.push_back({folder, error.what()});
  }

  void add_image(int split, std::string path, int label, ImageScratch& scratch) {
    try {
      describe(probe_image(path, scratch));
    } catch (const Error& error) {
      if (!keep_broken_) throw;
      info_.broken.push_back({std::move(path), error.what()});
      return;
    }
    paths_[split].push_back(std::move(path));
    labels_[split].push_back(label);
  }

  void describe(const ImageHeader& header) {
    const bool turned = header.orientation >= 5;
    const int width = turned ? header.height : header.width, height = turned ? header.width : header.height;
    const bool first = info_.max_width == 0;
    info_.min_width = first ? width : std::min(info_.min_width, width);
    info_.min_height = first ? height : std::min(info_.min_height, height);
    info_.max_width = std::max(info_.max_width, width);
    info_.max_height = std::max(info_.max_height, height);
    if (!header.grey) info_.channels = 3;
    info_.largest_scratch = std::max(info_.largest_scratch, header.decoder_bytes + 4 * header.file_bytes);
  }

  bool keep_broken_;
  std::vector<std::string> paths_[2];  // by split
};

}  // namespace

bool is_image_folder(const std::string& path) {
  return is_folder(path + "/train") || is_folder(path + "/val") || is_folder(path + "/test");
}

std::unique_ptr<Dataset> open_image_folder(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<FolderDataset>(path, options);
}

}  // namespace vmoe
