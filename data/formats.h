#pragma once
// The formats behind open_dataset: each recognises its own paths and opens them.

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace vmoe {

/// "synthetic" or "synthetic:..."
bool is_synthetic(const std::string& path);
/// A folder with train, val or test folders.
bool is_image_folder(const std::string& path);
/// A folder with data_batch_*.bin or test_batch.bin.
bool is_cifar10(const std::string& path);
/// A folder with train.bin or test.bin.
bool is_cifar100(const std::string& path);
/// A folder with IDX files, an IDX file, or several joined by commas.
bool is_idx(const std::string& path);

std::unique_ptr<Dataset> open_synthetic(const std::string& path, const DatasetOptions& options);
std::unique_ptr<Dataset> open_image_folder(const std::string& path, const DatasetOptions& options);
std::unique_ptr<Dataset> open_cifar10(const std::string& path, const DatasetOptions& options);
std::unique_ptr<Dataset> open_cifar100(const std::string& path, const DatasetOptions& options);
std::unique_ptr<Dataset> open_idx(const std::string& path, const DatasetOptions& options);

/// The lines of the first of `files` that exists in `folder` or one folder up, as UTF-8 and without empty
/// ones; empty if there is none. Throws InputError if there are not `expected` names (0: any number), or one
/// comes twice.
std::vector<std::string> read_label_names(const std::string& folder, const std::vector<std::string>& files,
                                          size_t expected);

/// Throws IoError unless there is something at this path.
void require_exists(const std::string& path);

/// The text with U+FFFD for every byte that is not UTF-8, as a model file would hold it: names of classes are
/// compared with those in model files.
std::string valid_utf8(const std::string& text);

/// {"0", "1", ..., count - 1}.
std::vector<std::string> number_names(int count);

/// Names of the regular files (or, with `folders`, of the folders) in `folder`, sorted; hidden ones are left
/// out. Throws IoError.
std::vector<std::string> list_folder(const std::string& folder, bool folders);

}  // namespace vmoe
