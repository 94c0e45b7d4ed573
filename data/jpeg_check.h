#pragma once
// Reads the structure of a JPEG file and refuses what is inconsistent, before a decoder sees it.
// Source: ITU-T T.81, annex B (markers and segments); JFIF 1.02; what stb_image can decode.

#include "data/byte_reader.h"
#include "data/image_header.h"

namespace vmoe {

bool is_jpeg(Bytes bytes);

/// Reads as far as the frame header: size, channels, orientation. Throws InputError if that much is
/// malformed.
ImageHeader read_jpeg_header(Bytes bytes, std::string_view name);

/// Walks the whole file: marker lengths; counts, codes and definitions of every table used; frame and scan
/// headers, that no scan gives a bit of a coefficient again, and the first one of every component is there;
/// every bit of compressed data; the end marker. Refuses more than kMaxPixels pixels and scans * pixels > 2^31.
/// After the end marker only zeros, another picture, a film or a trailer of a phone's camera may follow. Throws
/// InputError naming the byte. Needs scratch for progressive files (forgotten before it returns).
ImageHeader check_jpeg(Bytes bytes, std::string_view name, ImageScratch& scratch);

}  // namespace vmoe
