#pragma once
// Reading and writing tensors in the safetensors format (see train/safetensors_header.h).

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"
#include "train/atomic_file.h"
#include "train/safetensors_header.h"

namespace vmoe {

/// A safetensors file, checked whole when it is opened: a tensor that it lists can be read. Numbers stay in
/// the file until they are asked for.
class SafetensorsFile {
 public:
  /// Throws IoError if the file cannot be read, InputError naming file, tensor and what would be right if it
  /// is not a valid one (see parse_safetensors_header; also: header length of more than 100 MB or more than
  /// the file).
  static SafetensorsFile open(const std::filesystem::path& path);

  std::string path() const { return file_.path().string(); }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// In the order of their bytes; no name twice.
  const std::vector<TensorEntry>& tensors() const { return header_.tensors; }
  /// The tensor of this name, or null.
  const TensorEntry* find(const std::string& name) const;
  /// Reads `entry.shape.count()` numbers, converted from F32, F64, F16 or BF16; InputError for other types.
  void read(const TensorEntry& entry, real* out) const;
  /// The same; InputError naming the tensor if one of its numbers is not finite.
  void read_finite(const TensorEntry& entry, real* out) const;

 private:
  explicit SafetensorsFile(InputFile file) : file_(std::move(file)) {}

  InputFile file_;
  SafetensorsHeader header_;
  std::vector<size_t> by_name_;  // places in `tensors`, sorted by name
  uint64_t data_start_ = 0;
};

struct TensorToWrite {
  std::string name;
  Shape shape;
  const real* data;  // shape.count() numbers, not copied
};

/// Writes all tensors as F32, sorted by name, through AtomicFile: the bytes are a function of names, shapes,
/// numbers and metadata. The header is padded so that the numbers start at a multiple of 8. Throws IoError;
/// Error(internal) for a name that is given twice.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata,
                       std::span<const TensorToWrite> tensors);

}  // namespace vmoe
