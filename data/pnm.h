#pragma once
// Portable anymaps: P1 and P4 (bitmaps), P2 and P5 (grey), P3 and P6 (RGB), as numbers in text or as bytes.
// Source: the netpbm manual pages pbm(5), pgm(5), ppm(5).

#include "data/byte_reader.h"
#include "data/image_header.h"

namespace vmoe {

bool is_pnm(Bytes bytes);

/// Size and channels. Throws InputError if the header is malformed or claims more than kMaxPixels.
ImageHeader read_pnm_header(Bytes bytes, std::string_view name);

/// Decodes the one image of the file. Samples up to `maxval` (1 .. 65535) are scaled to 0 .. 255, rounded.
/// Throws InputError when pixels are missing, above maxval, or followed by anything but white space.
ImageView decode_pnm(Bytes bytes, std::string_view name, ImageScratch& scratch);

}  // namespace vmoe
