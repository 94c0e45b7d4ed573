#pragma once
// Files as bytes: read into scratch memory, mapped, announced to the kernel.

#include <memory>
#include <string>

#include "data/byte_reader.h"
#include "data/image.h"

namespace vmoe {

/// An open file that closes itself; read only. Throws IoError ("cannot read 'x': No such file or directory").
class File {
 public:
  /// `path` must outlive this, so that it cannot be a temporary.
  explicit File(const std::string& path);
  explicit File(std::string&& path) = delete;
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int64_t size() const { return size_; }
  /// Reads `count` bytes from `offset`; how many there were. Throws IoError when the system refuses.
  size_t read(int64_t offset, void* to, size_t count) const;
  int descriptor() const { return descriptor_; }

 private:
  const std::string& path_;  // of the caller, for errors: a copy would allocate for every image
  int descriptor_;
  int64_t size_;
};

/// The whole file. Throws IoError, or InputError if it is empty or does not fit the scratch's budget.
Bytes read_file(const std::string& path, ImageScratch& scratch);

/// A file's bytes, mapped read-only until destruction. Throws IoError.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  Bytes bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

/// Tells the kernel that the file is read soon (posix_fadvise). Never fails.
void announce_file(const std::string& path);

}  // namespace vmoe
