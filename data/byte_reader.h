#pragma once
// A place in a file's bytes from which fields are read, never past the end. Errors name the file and the
// byte.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tensor/error.h"

namespace vmoe {

using Bytes = std::span<const uint8_t>;

/// "NAME, byte 12: WHAT".
[[noreturn]] inline void bad_file(std::string_view name, size_t byte, const std::string& what) {
  throw InputError(std::string(name) + ", byte " + std::to_string(byte) + ": " + what);
}

class ByteReader {
 public:
  ByteReader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {}

  size_t position() const { return position_; }
  size_t size() const { return bytes_.size(); }
  size_t left() const { return bytes_.size() - position_; }
  Bytes bytes() const { return bytes_; }
  std::string_view name() const { return name_; }

  uint8_t u8(const char* what) {
    need(1, what);
    return bytes_[position_++];
  }
  int be16(const char* what) {
    need(2, what);
    position_ += 2;
    return bytes_[position_ - 2] << 8 | bytes_[position_ - 1];
  }
  uint32_t be32(const char* what) {
    const uint32_t high = static_cast<uint32_t>(be16(what));
    return high << 16 | static_cast<uint32_t>(be16(what));
  }
  /// The next `count` bytes, which are skipped.
  Bytes take(size_t count, const char* what) {
    need(count, what);
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }
  void seek(size_t position) { position_ = position; }

  /// Throws unless `count` more bytes are there.
  void need(size_t count, const char* what) const {
    if (left() < count) {
      bad_file(name_, bytes_.size(),
               "the file ends inside " + std::string(what) + " (" + std::to_string(count - left()) +
                   " bytes are missing)");
    }
  }
  [[noreturn]] void fail(const std::string& what) const { bad_file(name_, position_, what); }

 private:
  Bytes bytes_;
  std::string_view name_;
  size_t position_ = 0;
};

}  // namespace vmoe
