#pragma once
// One hash for everything that must be recognised later: weights, files, data sets, recipes.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vmoe {

/// FNV-1a, 64 bits (Fowler, Noll and Vo; RFC 9923). Tells accidental differences apart, not intended ones.
/// Numbers are taken from their lowest byte up, so that the hash is the same on every machine.
class Hash {
 public:
  void add(const void* bytes, size_t count) {
    const auto* at = static_cast<const unsigned char*>(bytes);
    for (size_t i = 0; i < count; ++i) add_byte(at[i]);
  }
  /// The end counts, so that "ab" "c" is not "a" "bc".
  void add(const std::string& text) { add(text.c_str(), text.size() + 1); }
  void add(int64_t number) { add_low(static_cast<uint64_t>(number), 8); }
  void add(float number) { add_low(std::bit_cast<uint32_t>(number), 4); }

  uint64_t value() const { return value_; }
  /// 16 hexadecimal digits.
  std::string digits() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value_));
    return text;
  }

 private:
  void add_byte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }
  void add_low(uint64_t bits, int bytes) {
    for (int i = 0; i < bytes; ++i) add_byte(static_cast<unsigned char>(bits >> 8 * i & 255));
  }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace vmoe
