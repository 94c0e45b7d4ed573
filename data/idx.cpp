// The IDX format of MNIST: images and labels of each split in a file of their own, found by their names.

#include <algorithm>
#include <filesystem>

#include "data/formats.h"
#include "data/idx_file.h"
#include "data/names.h"

namespace vmoe {

namespace {

constexpr int64_t kMaxImages = int64_t{1} << 24;
constexpr size_t kMaxClasses = 256;

/// The four files by role; empty where there is none.
struct IdxPaths {
  std::string images[2], labels[2];  // by split
};

/// "emnist-train-images.idx3-ubyte.gz" -> "emnist-train-images-idx3-ubyte".
std::string plain_name(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

/// Which of the four files this is by its name, and what comes before ("emnist-").
std::string* role(const std::string& name, IdxPaths& paths, std::string& prefix) {
  const std::string plain = plain_name(name);
  const struct {
    const char* ending;
    std::string* path;
  } roles[] = {{"train-images-idx3-ubyte", &paths.images[0]}, {"train-labels-idx1-ubyte", &paths.labels[0]},
               {"t10k-images-idx3-ubyte", &paths.images[1]},  {"t10k-labels-idx1-ubyte", &paths.labels[1]},
               {"test-images-idx3-ubyte", &paths.images[1]},  {"test-labels-idx1-ubyte", &paths.labels[1]}};
  for (const auto& candidate : roles) {
    if (!plain.ends_with(candidate.ending)) continue;
    prefix = plain.substr(0, plain.size() - std::string(candidate.ending).size());
    return candidate.path;
  }
  return nullptr;
}

bool is_idx_name(const std::string& name) {
  IdxPaths paths;
  std::string prefix;
  return role(name, paths, prefix) != nullptr;
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}
std::string parent(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void take(std::string& place, const std::string& path) {
  if (!place.empty())
    throw InputError("both " + place + " and " + path + " could be meant; name one of them");
  place = path;
}

void add_path(const std::string& path, IdxPaths& paths) {
  std::string prefix;
  std::string* place = role(file_name(path), paths, prefix);
  if (place == nullptr) {
    throw InputError(path +
                     ": an IDX file should be called like train-images-idx3-ubyte or t10k-labels-idx1-ubyte");
  }
  take(*place, path);
}

/// All files of one set in a folder. A plain file is taken rather than its compressed twin.
IdxPaths find_in_folder(const std::filesystem::path& folder, const std::string* wanted_prefix) {
  IdxPaths paths;
  std::string first_prefix;
  bool any = false;
  for (const std::string& name : list_folder(folder.empty() ? "." : folder.string(), false)) {
    std::string prefix;
    std::string* place = role(name, paths, prefix);
    if (place == nullptr || (wanted_prefix != nullptr && prefix != *wanted_prefix)) continue;
    if (any && prefix != first_prefix) {
      throw InputError(folder.string() + ": IDX files of several data sets ('" + first_prefix + "' and '" +
                       prefix + "'); name one of the files instead of the folder");
    }
    any = true;
    first_prefix = prefix;
    const std::string path = (folder / name).string();
    if (!place->empty() && path == *place + ".gz") continue;
    take(*place, path);
  }
  return paths;
}

IdxPaths find_files(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return find_in_folder(path, nullptr);
  if (std::filesystem::exists(path, error)) {
    IdxPaths one;
    std::string prefix;
    add_path(path, one);
    role(file_name(path), one, prefix);
    return find_in_folder(std::filesystem::path(path).parent_path(), &prefix);
  }
  IdxPaths paths;
  for (const std::string& part : split_commas(path)) {
    require_exists(part);
    add_path(part, paths);
  }
  return paths;
}

class IdxDataset : public Dataset {
 public:
  IdxDataset(const std::string& path, const DatasetOptions& options) {
    if (options.labels == "coarse") throw UsageError(path + " has no coarse labels");
    info_.path = path;
    info_.format = "idx";
    info_.channels = 1;
    const IdxPaths paths = find_files(path);
    for (int split = 0; split < 2; ++split) open_split(split, paths);
    if (!images_[0] && !images_[1]) throw InputError(path + ": no IDX files");
    name_classes(paths);
  }

  ImageView image(Split split, int64_t i, ImageScratch&) const override {
    const IdxFile& file = *images_[split == Split::test];
    return {file.item(i), file.width(), file.height(), 1};
  }

  std::string name(Split split, int64_t i) const override {
    return images_[split == Split::test]->path() + ", image " + std::to_string(i);
  }

 private:
  void open_split(int split, const IdxPaths& paths) {
    const std::string &images = paths.images[split], &labels = paths.labels[split];
    if (images.empty() && labels.empty()) return;
    if (images.empty() || labels.empty()) {
      throw InputError((images.empty() ? labels : images) + ": the file of its " +
                       (images.empty() ? "images" : "labels") + " is missing beside it");
    }
    images_[split] = std::make_unique<IdxFile>(images, IdxFile::Content::images, room_);
    const IdxFile& image_file = *images_[split];
    room_ -= image_file.unpacked_bytes();
    info_.held_bytes += static_cast<size_t>(image_file.unpacked_bytes());
    if (image_file.unpacked_bytes() == 0 && split == 0)
      info_.mapped_bytes += static_cast<size_t>(image_file.count() * image_file.item_bytes());
    const IdxFile label_file(labels, IdxFile::Content::labels, room_);
    if (label_file.count() != image_file.count()) {
      bad_file(labels, 4,
               std::to_string(label_file.count()) + " labels, but " + images + " holds " +
                   std::to_string(image_file.count()) + " images");
    }
    if (image_file.count() > kMaxImages) {
      bad_file(images, 4, std::to_string(image_file.count()) + " images; at most 16 Mi are accepted");
    }
    labels_[split].assign(label_file.item(0), label_file.item(0) + label_file.count());
    const bool first = info_.max_width == 0;
    info_.min_width = first ? image_file.width() : std::min(info_.min_width, image_file.width());
    info_.min_height = first ? image_file.height() : std::min(info_.min_height, image_file.height());
    info_.max_width = std::max(info_.max_width, image_file.width());
    info_.max_height = std::max(info_.max_height, image_file.height());
  }

  // As many classes as there are names; without names, as the largest training label says.
  void name_classes(const IdxPaths& paths) {
    const std::string& any = images_[0] ? paths.images[0] : paths.images[1];
    info_.classes = read_label_names(parent(any), {"label_names.txt", "labels.txt", "classes.txt"}, 0);
    if (info_.classes.size() > kMaxClasses) {
      throw InputError(
          info_.path + ": " + std::to_string(info_.classes.size()) +
          " class names lie beside it; IDX labels are bytes, so at most 256 classes are possible");
    }
    const std::vector<int>& deciding = labels_[images_[0] ? 0 : 1];
    if (info_.classes.empty()) {
      info_.classes = number_names(1 + *std::max_element(deciding.begin(), deciding.end()));
    }
    for (int split = 0; split < 2; ++split) {
      for (size_t i = 0; i < labels_[split].size(); ++i) {
        if (labels_[split][i] < classes()) continue;
        throw InputError(paths.labels[split] + ", byte " + std::to_string(8 + i) + ": label " +
                         std::to_string(labels_[split][i]) + " is out of range; there are " +
                         std::to_string(classes()) + " classes");
      }
    }
  }

  std::unique_ptr<IdxFile> images_[2];
  int64_t room_ = IdxFile::kMaxUnpacked;  // for what is still to be unpacked
};

}  // namespace

bool is_idx(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const auto names = list_folder(path, false);
    return std::any_of(names.begin(), names.end(), is_idx_name);
  }
  if (std::filesystem::exists(path, error)) return is_idx_name(file_name(path));
  const auto parts = split_commas(path);
  return parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           std::error_code ignored;
           return std::filesystem::exists(part, ignored);
         });
}

std::unique_ptr<Dataset> open_idx(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<IdxDataset>(path, options);
}

}  // namespace vmoe
