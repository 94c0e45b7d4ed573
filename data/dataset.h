#pragma once
// Labelled images, whatever the format they are stored in. A data set has a training and a test split;
// everything else (hold-out, order, augmentation) is made from them.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/image.h"

namespace vmoe {

enum class Split { train, test };

/// "train" or "test".
const char* to_string(Split split);

/// A file of an image folder that cannot be used, and why.
struct BrokenFile {
  std::string path, reason;
};

struct DatasetInfo {
  std::string path;
  std::string format;                       // "idx", "cifar10", "cifar100", "folder", "synthetic"
  std::vector<std::string> classes;         // [N], N >= 2
  std::vector<std::string> coarse_classes;  // super-classes; empty if the data has none
  std::vector<int> coarse_of_class;         // [N]; empty if the data has none
  int channels = 3;                         // 1 if every image is grey
  int min_width = 0, max_width = 0, min_height = 0, max_height = 0;
  size_t largest_scratch = 0;  // ImageScratch::reserve with it, and only large images grow the scratch
  size_t held_bytes = 0;       // pixels in this process's memory, generated or unpacked
  size_t mapped_bytes = 0;     // mapped files that training reads: they become resident, but can be given up
  std::vector<BrokenFile> broken;  // only with DatasetOptions::keep_broken
};

/// Images and labels are numbered 0 .. size - 1 in a fixed order (folders: by class, then by file name).
/// Thread-safe when every thread brings its own scratch.
class Dataset {
 public:
  virtual ~Dataset() = default;

  const DatasetInfo& info() const { return info_; }
  int classes() const { return static_cast<int>(info_.classes.size()); }
  const std::vector<int>& labels(Split split) const { return labels_[split == Split::test]; }
  int64_t size(Split split) const { return static_cast<int64_t>(labels(split).size()); }
  int label(Split split, int64_t i) const { return labels(split)[static_cast<size_t>(i)]; }

  /// The pixels, valid until the scratch is reset (in-memory formats: as long as the data set). Throws
  /// InputError or IoError naming the file.
  virtual ImageView image(Split split, int64_t i, ImageScratch& scratch) const = 0;
  /// What to call the image in a message: its path, or "train-images-idx3-ubyte, image 17".
  virtual std::string name(Split split, int64_t i) const = 0;
  /// Tells the kernel that the image is wanted soon. Does nothing for images in memory.
  virtual void announce(Split, int64_t) const {}

 protected:
  DatasetInfo info_;
  std::vector<int> labels_[2];  // by split
};

struct DatasetOptions {
  std::string format = "auto";  // or a DatasetInfo::format
  std::string labels = "fine";  // "coarse": the super-classes are the classes
  bool keep_broken = false;     // folders: list broken headers in the info instead of throwing
};

/// Recognises the format from the path and opens it:
///   synthetic, synthetic:KEY=VALUE,...          generated images (data/synthetic.cpp)
///   a folder with train, val or test folders    image folder
///   a folder with data_batch_*.bin, test_batch.bin   CIFAR-10;  with train.bin, test.bin   CIFAR-100
///   a folder with *-images-idx3-ubyte[.gz] ..., one of these files, or four of them joined by commas   IDX
/// Throws UsageError (unknown format, `coarse` without coarse labels), IoError, or InputError when the data
/// is malformed or has fewer than two classes.
std::unique_ptr<Dataset> open_dataset(const std::string& path, const DatasetOptions& options = {});

/// What to call data of that path: its last name ("." and "pictures/" have one, too), or "synthetic".
std::string name_of_data(const std::string& path);

}  // namespace vmoe
