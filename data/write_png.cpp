#include "data/write_png.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tensor/error.h"

#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

namespace vmoe {

namespace {

struct Output {
  std::FILE* file;
  bool complete = true;
};

void write_bytes(void* output, void* bytes, int count) {
  auto* to = static_cast<Output*>(output);
  if (std::fwrite(bytes, 1, static_cast<size_t>(count), to->file) != static_cast<size_t>(count))
    to->complete = false;
}

}  // namespace

void write_png(const std::string& path, const ImageView& image) {
  Output output{std::fopen(path.c_str(), "wb")};
  if (output.file == nullptr) throw IoError("cannot write '" + path + "': " + std::strerror(errno));
  const int done = stbi_write_png_to_func(write_bytes, &output, image.width, image.height, image.channels,
                                          image.pixels, static_cast<int>(image.row_bytes()));
  const bool closed = std::fclose(output.file) == 0;
  if (done == 0 || !output.complete || !closed)
    throw IoError("cannot write '" + path + "': " + std::strerror(errno));
}

}  // namespace vmoe
