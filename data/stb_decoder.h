#pragma once
// stb_image behind one function: its JPEG and PNG decoders alone, with memory from an ImageScratch.

#include "data/byte_reader.h"
#include "data/image.h"

namespace vmoe {

/// Pixels as stb_image delivers them: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
struct StbImage {
  uint8_t* pixels;
  int width, height, channels;
};

/// Decodes a file that check_jpeg or check_png has passed. Throws InputError when the decoder refuses it or
/// needs more memory than the scratch's budget.
StbImage stb_decode(Bytes bytes, std::string_view name, ImageScratch& scratch);

}  // namespace vmoe
