#include "data/stb_decoder.h"

namespace {

// The scratch of the decode that runs on this thread.
thread_local vmoe::ImageScratch* current_scratch = nullptr;

}  // namespace

#define STBI_MALLOC(size) current_scratch->try_allocate(size)
#define STBI_REALLOC_SIZED(memory, old_size, size) current_scratch->try_grow(memory, old_size, size)
#define STBI_FREE(memory) current_scratch->give_back(memory)
#define STBI_ASSERT(condition) ((void)(condition))
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

namespace vmoe {

StbImage stb_decode(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  current_scratch = &scratch;
  StbImage image{};
  image.pixels = stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &image.width,
                                       &image.height, &image.channels, 0);
  current_scratch = nullptr;
  if (image.pixels == nullptr) {
    throw InputError(std::string(name) + ": the decoder refuses the image: " + stbi_failure_reason());
  }
  return image;
}

}  // namespace vmoe
