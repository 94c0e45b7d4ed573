#pragma once
// One file of the IDX format: its header, and its items in memory.
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
//   images: 0x00000803, count, rows, columns (big-endian, 32 bit each), then a byte for each pixel, rows from
//           the top
//   labels: 0x00000801, count, then a byte for each label

#include <memory>
#include <optional>
#include <string>

#include "data/byte_reader.h"
#include "data/file.h"

namespace vmoe {

/// Mapped, or unpacked if it starts like gzip (whatever its name).
class IdxFile {
 public:
  enum class Content { images, labels };
  /// Of compressed files; all of a data set together.
  static constexpr int64_t kMaxUnpacked = int64_t{384} << 20;

  /// Throws IoError, or InputError when the file does not hold just what its header promises, or unpacks to
  /// more than `room` bytes.
  IdxFile(const std::string& path, Content content, int64_t room = kMaxUnpacked);

  const std::string& path() const { return path_; }
  int64_t count() const { return count_; }
  int width() const { return width_; }    // 1 for labels
  int height() const { return height_; }  // 1 for labels
  int64_t unpacked_bytes() const { return unpacked_ ? static_cast<int64_t>(bytes_.size()) : 0; }
  int64_t item_bytes() const { return int64_t{width_} * height_; }
  const uint8_t* item(int64_t i) const { return bytes_.data() + header_ + i * item_bytes(); }

 private:
  void read_header(Bytes start);
  int64_t expected_size() const { return static_cast<int64_t>(header_) + count_ * item_bytes(); }
  void check_size() const;
  void unpack(int64_t room);
  size_t inflate_into(uint8_t* to, size_t room, bool whole);

  std::string path_;
  Content content_;
  std::optional<MappedFile> file_;  // none once it is unpacked
  std::unique_ptr<uint8_t[]> unpacked_;
  Bytes bytes_;
  size_t header_ = 0;
  int64_t count_ = 0;
  int width_ = 1, height_ = 1;
};

}  // namespace vmoe
