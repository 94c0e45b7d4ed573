// CIFAR-10 and CIFAR-100, binary version: records of one label byte (CIFAR-10) or a coarse and a fine one
// (CIFAR-100), then 1024 red, 1024 green and 1024 blue bytes, rows from the top. Source: A. Krizhevsky,
// "Learning multiple layers of features from tiny images", 2009, and the data's web page.

#include <algorithm>
#include <filesystem>

#include "data/byte_reader.h"
#include "data/file.h"
#include "data/formats.h"
#include "data/names.h"

namespace vmoe {

namespace {

constexpr int kSide = 32, kPixels = kSide * kSide;
constexpr int64_t kPiece = 256;  // records whose labels are read at a time

/// What tells the two apart.
struct CifarKind {
  const char* format;
  int labels;  // label bytes of a record; the last is the fine one
  int fine_classes, coarse_classes;

  int64_t record_bytes() const { return labels + 3 * kPixels; }
};

constexpr CifarKind kCifar10{"cifar10", 1, 10, 0};
constexpr CifarKind kCifar100{"cifar100", 2, 100, 20};

/// data_batch_1.bin ... and test_batch.bin, or train.bin and test.bin.
int split_of(const std::string& name, const CifarKind& kind) {
  if (kind.labels == 2) return name == "train.bin" ? 0 : name == "test.bin" ? 1 : -1;
  if (name == "test_batch.bin") return 1;
  return name.starts_with("data_batch_") && name.ends_with(".bin") ? 0 : -1;
}

bool has_files(const std::string& path, const CifarKind& kind) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return false;
  const auto names = list_folder(path, false);
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return split_of(name, kind) >= 0; });
}

class CifarDataset : public Dataset {
 public:
  CifarDataset(const std::string& path, const CifarKind& kind, const DatasetOptions& options) : kind_(kind) {
    coarse_ = options.labels == "coarse";
    if (coarse_ && kind.coarse_classes == 0) throw UsageError(path + ": CIFAR-10 has no coarse labels");
    info_.path = path;
    info_.format = kind.format;
    info_.min_width = info_.max_width = info_.min_height = info_.max_height = kSide;
    info_.largest_scratch = 3 * kPixels;
    for (const std::string& name : list_folder(path, false)) {
      if (const int split = split_of(name, kind); split >= 0) add_file(split, path + "/" + name);
    }
    if (files_[0].empty() && files_[1].empty()) throw InputError(path + ": no CIFAR files");
    name_classes(path);
  }

  ImageView image(Split split, int64_t i, ImageScratch& scratch) const override {
    const auto [file, record] = find(split == Split::test, i);
    const uint8_t* planes = file->bytes.bytes().data() + record * kind_.record_bytes() + kind_.labels;
    uint8_t* pixels = scratch.allocate<uint8_t>(3 * kPixels);
    for (int j = 0; j < kPixels; ++j) {
      for (int c = 0; c < 3; ++c) pixels[3 * j + c] = planes[c * kPixels + j];
    }
    return {pixels, kSide, kSide, 3};
  }

  std::string name(Split split, int64_t i) const override {
    const auto [file, record] = find(split == Split::test, i);
    return file->path + ", record " + std::to_string(record);
  }

 private:
  struct RecordFile {
    explicit RecordFile(const std::string& file) : path(file), bytes(file) {}
    std::string path;
    MappedFile bytes;
    int64_t first = 0;  // number of its first record in the split
  };

  void add_file(int split, const std::string& path) {
    auto file = std::make_unique<RecordFile>(path);
    const Bytes bytes = file->bytes.bytes();
    const auto size = static_cast<int64_t>(bytes.size()), record = kind_.record_bytes();
    if (size == 0) throw InputError(path + ": the file is empty");
    if (size % record != 0) {
      bad_file(path, static_cast<size_t>(size - size % record),
               "the last record has " + std::to_string(size % record) + " bytes; a " + kind_.format +
                   " record has " + std::to_string(record));
    }
    file->first = static_cast<int64_t>(labels_[split].size());
    // Read, not mapped: a long file stays out of memory until its images are wanted.
    const File source(path);
    std::vector<uint8_t> piece(static_cast<size_t>(kPiece * record));
    for (int64_t start = 0; start < size; start += kPiece * record) {
      const auto got = static_cast<int64_t>(source.read(start, piece.data(), piece.size()));
      for (int64_t at = 0; at + record <= got; at += record) {
        add_labels(split, *file, start + at, piece.data() + at);
      }
    }
    if (split == 0) info_.mapped_bytes += bytes.size();
    files_[split].push_back(std::move(file));
  }

  void add_labels(int split, const RecordFile& file, int64_t at, const uint8_t* labels) {
    const int fine = labels[kind_.labels - 1];
    require_label(file, at + kind_.labels - 1, fine, kind_.fine_classes);
    if (kind_.coarse_classes > 0) {
      require_label(file, at, labels[0], kind_.coarse_classes);
      learn_coarse(file, at, fine, labels[0]);
    }
    labels_[split].push_back(coarse_ ? labels[0] : fine);
  }

  void require_label(const RecordFile& file, int64_t at, int label, int classes) const {
    if (label < classes) return;
    bad_file(file.path, static_cast<size_t>(at),
             "label " + std::to_string(label) + " is out of range; " + kind_.format + " has " +
                 std::to_string(classes) + " classes");
  }

  // Which coarse class a fine one belongs to is written nowhere but in the records.
  void learn_coarse(const RecordFile& file, int64_t at, int fine, int coarse) {
    if (coarse_of_fine_.empty()) coarse_of_fine_.assign(kind_.fine_classes, -1);
    if (coarse_of_fine_[fine] < 0) coarse_of_fine_[fine] = coarse;
    if (coarse_of_fine_[fine] == coarse) return;
    bad_file(file.path, static_cast<size_t>(at),
             "fine label " + std::to_string(fine) + " has coarse label " + std::to_string(coarse) +
                 " here and " + std::to_string(coarse_of_fine_[fine]) + " in an earlier record");
  }

  void name_classes(const std::string& path) {
    const auto names = [&](const char* file, int count) {
      auto read = read_label_names(path, {file}, static_cast<size_t>(count));
      return read.empty() ? number_names(count) : read;
    };
    if (kind_.coarse_classes == 0) {
      info_.classes = names("batches.meta.txt", kind_.fine_classes);
      return;
    }
    const auto coarse = names("coarse_label_names.txt", kind_.coarse_classes);
    info_.classes = coarse_ ? coarse : names("fine_label_names.txt", kind_.fine_classes);
    if (coarse_) return;
    // A small subset may lack whole classes; nothing depends on where those belong.
    std::replace(coarse_of_fine_.begin(), coarse_of_fine_.end(), -1, 0);
    info_.coarse_classes = coarse;
    info_.coarse_of_class = coarse_of_fine_;
  }

  std::pair<const RecordFile*, int64_t> find(int split, int64_t i) const {
    const auto& files = files_[split];
    const auto after = std::upper_bound(
        files.begin(), files.end(), i, [](int64_t number, const auto& file) { return number < file->first; });
    const RecordFile* file = std::prev(after)->get();
    return {file, i - file->first};
  }

  CifarKind kind_;
  bool coarse_;
  std::vector<std::unique_ptr<RecordFile>> files_[2];  // by split
  std::vector<int> coarse_of_fine_;
};

}  // namespace

bool is_cifar10(const std::string& path) {
  return has_files(path, kCifar10);
}
bool is_cifar100(const std::string& path) {
  return has_files(path, kCifar100);
}

std::unique_ptr<Dataset> open_cifar10(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<CifarDataset>(path, kCifar10, options);
}

std::unique_ptr<Dataset> open_cifar100(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<CifarDataset>(path, kCifar100, options);
}

}  // namespace vmoe
