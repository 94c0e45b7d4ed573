#pragma once
// What the headers of all image formats say, and how large an image may be.

#include <string>

#include "data/image.h"

namespace vmoe {

/// More pixels than this (64 Mi), or on a side, are refused, whatever the format.
constexpr int64_t kMaxPixels = int64_t{64} << 20;
constexpr int64_t kMaxSide = 65535;

/// What is wrong with the size that a header claims (sides 0 .. 2^32 - 1), for an error; else empty.
std::string size_problem(int64_t width, int64_t height);

/// What an image file says about itself.
struct ImageHeader {
  const char* format = "";  // "JPEG", "PNG", "PNM"
  int width = 0, height = 0;
  bool grey = false;         // one channel (besides alpha)
  int orientation = 1;       // EXIF 1 .. 8
  size_t decoder_bytes = 0;  // bound on the memory that decoding takes, the pixels included
  size_t file_bytes = 0;     // of the whole file, where it was probed
};

}  // namespace vmoe
