#include "data/exif.h"

namespace vmoe {

namespace {

constexpr int kOrientationTag = 0x0112;
constexpr size_t kEntryBytes = 12;

/// Numbers of either byte order; 0 past the end.
struct TiffReader {
  Bytes bytes;
  bool little;

  uint32_t number(size_t at, size_t size) const {
    if (at > bytes.size() || bytes.size() - at < size) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | bytes[little ? at + size - 1 - i : at + i];
    return value;
  }
};

}  // namespace

int exif_orientation(Bytes tiff) {
  if (tiff.size() < 8) return 1;
  const TiffReader reader{tiff, tiff[0] == 'I'};
  if (reader.number(2, 2) != 42) return 1;
  const size_t directory = reader.number(4, 4);
  const size_t entries = reader.number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) break;
    if (reader.number(entry, 2) != kOrientationTag) continue;
    const uint32_t orientation = reader.number(entry + 8, 2);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

}  // namespace vmoe
