#pragma once
// Reads the structure of a PNG file and refuses what is inconsistent, before a decoder sees it.
// Source: PNG specification, third edition (W3C 2025), sections 5 and 11.

#include "data/byte_reader.h"
#include "data/image_header.h"

namespace vmoe {

bool is_png(Bytes bytes);

/// Reads IHDR: size and channels. Throws InputError if it is malformed.
ImageHeader read_png_header(Bytes bytes, std::string_view name);

/// What decoding needs to know besides the header.
struct PngLayout {
  ImageHeader header;
  size_t palette_chunk = 0;  // where PLTE starts (its length field); 0: none
  int palette_colours = 0;
};

/// Walks the whole file: chunk lengths, order and checksums; header fields and limits; palette and
/// transparency; and inflates the pixel data once, counting, so that it is known to be valid and to have just
/// the size that the header promises. Throws InputError naming the byte.
PngLayout check_png(Bytes bytes, std::string_view name, ImageScratch& scratch);

}  // namespace vmoe
