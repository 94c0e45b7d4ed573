#pragma once
// The formats behind open_dataset: each recognises its own paths and opens them.

#include <memory>
#include <string>

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

}  // namespace vmoe
