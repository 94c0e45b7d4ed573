#pragma once
// Reads the structure of a JPEG file and refuses what is inconsistent, before a decoder sees it.
// Source: ITU-T T.81, annex B (markers and segments); JFIF 1.02; what stb_image can decode.

#include "data/byte_reader.h"
#include "data/image.h"

namespace vmoe {

/// What an image file says about itself.
struct ImageHeader {
  const char* format = "";  // "JPEG", "PNG", "PNM"
  int width = 0, height = 0;
  bool grey = false;         // one channel (besides alpha)
  int orientation = 1;       // EXIF 1 .. 8
  size_t decoder_bytes = 0;  // bound on the memory that decoding takes, the pixels included
  size_t file_bytes = 0;     // of the whole file, where it was probed
};

bool is_jpeg(Bytes bytes);

/// Reads as far as the frame header: size, channels, orientation. Throws InputError if that much is
/// malformed.
ImageHeader read_jpeg_header(Bytes bytes, std::string_view name);

/// Walks the whole file: marker lengths; counts, codes and definitions of every table used; frame and scan
/// headers, and that the scans together give each coefficient exactly once; every bit of compressed data; the
/// end marker. Refuses more than kMaxPixels pixels and scans * pixels > 2^31. After the end marker only
/// zeros, another picture, a film or a trailer of a phone's camera may follow. Throws InputError naming the
/// byte. Needs scratch for progressive files (forgotten before it returns).
ImageHeader check_jpeg(Bytes bytes, std::string_view name, ImageScratch& scratch);

}  // namespace vmoe
