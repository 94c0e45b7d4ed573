#pragma once
// Writes pictures (demo images, reports) as PNG, by stb_image_write.

#include <string>

#include "data/image.h"

namespace vmoe {

/// The PNG of an image of 1 or 3 channels, for whoever writes it somewhere.
std::string encode_png(const ImageView& image);

/// Writes an image of 1 or 3 channels. Throws IoError.
void write_png(const std::string& path, const ImageView& image);

}  // namespace vmoe
