#pragma once
// Image files to pixels. The format is recognised by the file's content, not by its name: JPEG and PNG
// (checked here, decoded by stb_image), PNM. 8 and 16 bit, grey, palette, transparency (put on white), EXIF
// orientation 1 .. 8.

#include <string>

#include "data/byte_reader.h"
#include "data/image_header.h"

namespace vmoe {

/// The pixels of an image file's bytes: 1 channel if the file is grey, else 3. They live in `scratch` until
/// it is reset; so may `bytes`. `name` is for errors. Throws InputError on whatever is not an image, or not a
/// whole one.
ImageView decode_image(Bytes bytes, std::string_view name, ImageScratch& scratch);

/// Reads and decodes a file. Throws IoError, InputError.
ImageView load_image(const std::string& path, ImageScratch& scratch);

/// Size, channels and orientation from the first part of the file, without decoding. Throws IoError,
/// InputError.
ImageHeader probe_image(const std::string& path, ImageScratch& scratch);

}  // namespace vmoe
