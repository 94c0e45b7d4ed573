#include "data/write_png.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tensor/error.h"

#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace vmoe {

namespace {

void append(void* text, void* bytes, int count) {
  static_cast<std::string*>(text)->append(static_cast<const char*>(bytes), static_cast<size_t>(count));
}

}  // namespace

std::string encode_png(const ImageView& image) {
  std::string png;
  const int done = stbi_write_png_to_func(append, &png, image.width, image.height, image.channels,
                                          image.pixels, static_cast<int>(image.row_bytes()));
  if (done == 0)
    throw IoError("cannot make a PNG of " + std::to_string(image.width) + " x " +
                  std::to_string(image.height) + " pixels: no memory");
  return png;
}

void write_png(const std::string& path, const ImageView& image) {
  const std::string png = encode_png(image);
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw IoError("cannot write '" + path + "': " + std::strerror(errno));
  const bool complete = std::fwrite(png.data(), 1, png.size(), file) == png.size();
  const bool closed = std::fclose(file) == 0;
  if (!complete || !closed) throw IoError("cannot write '" + path + "': " + std::strerror(errno));
}

}  // namespace vmoe
