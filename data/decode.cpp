#include "data/decode.h"

#include <algorithm>
#include <cstring>

#include "data/convert.h"
#include "data/file.h"
#include "data/jpeg_check.h"
#include "data/png_check.h"
#include "data/pnm.h"
#include "data/stb_decoder.h"

namespace vmoe {

namespace {

constexpr int64_t kProbeBytes = 16 << 10;  // holds the headers of nearly every file

[[noreturn]] void unknown_format(std::string_view name) {
  throw InputError(std::string(name) + ": neither JPEG nor PNG nor PNM (recognised by content)");
}

/// stb_image reads colours past the end of a short palette from memory that nobody wrote: a copy of the file
/// whose palette has all 256, the new ones black.
Bytes with_full_palette(Bytes file, const PngLayout& layout, ImageScratch& scratch) {
  constexpr size_t kFull = 3 * 256, kFraming = 12;  // length, type, checksum (which stb_image does not read)
  if (layout.palette_chunk == 0 || layout.palette_colours == 256) return file;
  const size_t before = layout.palette_chunk, colours = 3 * static_cast<size_t>(layout.palette_colours);
  const Bytes after = file.subspan(before + kFraming + colours);
  uint8_t* copy = scratch.allocate<uint8_t>(static_cast<int64_t>(before + kFraming + kFull + after.size()));
  std::memcpy(copy, file.data(), before + 8 + colours);
  copy[before + 2] = kFull >> 8;
  copy[before + 3] = kFull & 255;
  std::memset(copy + before + 8 + colours, 0, kFull - colours + 4);
  std::memcpy(copy + before + kFraming + kFull, after.data(), after.size());
  return {copy, before + kFraming + kFull + after.size()};
}

/// Decodes, and moves the pixels down over the memory that decoding took.
ImageView run_decoder(Bytes bytes, std::string_view name, const ImageHeader& header, ImageScratch& scratch) {
  const Arena::Mark start = scratch.mark();
  scratch.allocate_bytes(
      header.decoder_bytes);  // in one piece, and refused before any work if there is no room
  scratch.rewind(start);
  const StbImage image = stb_decode(bytes, name, scratch);
  const int64_t pixels = int64_t{image.width} * image.height;
  if (image.channels == 2 || image.channels == 4) compose_over_white(image.pixels, pixels, image.channels);
  const int channels = image.channels <= 2 ? 1 : 3;
  scratch.rewind(start);
  uint8_t* moved = scratch.allocate<uint8_t>(pixels * channels);
  std::memmove(moved, image.pixels, static_cast<size_t>(pixels * channels));
  return make_upright({moved, image.width, image.height, channels}, header.orientation, scratch);
}

ImageHeader read_header(Bytes bytes, std::string_view name) {
  if (is_jpeg(bytes)) return read_jpeg_header(bytes, name);
  if (is_png(bytes)) return read_png_header(bytes, name);
  if (is_pnm(bytes)) return read_pnm_header(bytes, name);
  unknown_format(name);
}

ImageView decode_any(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  if (is_jpeg(bytes)) return run_decoder(bytes, name, check_jpeg(bytes, name, scratch), scratch);
  if (is_png(bytes)) {
    const PngLayout layout = check_png(bytes, name, scratch);
    return run_decoder(with_full_palette(bytes, layout, scratch), name, layout.header, scratch);
  }
  if (is_pnm(bytes)) return decode_pnm(bytes, name, scratch);
  unknown_format(name);
}

}  // namespace

ImageView decode_image(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  return naming_image([&] { return std::string(name); }, [&] { return decode_any(bytes, name, scratch); });
}

ImageView load_image(const std::string& path, ImageScratch& scratch) {
  return decode_image(read_file(path, scratch), path, scratch);
}

ImageHeader probe_image(const std::string& path, ImageScratch& scratch) {
  ImageScratch::Frame frame(scratch);
  const File file(path);
  if (file.size() == 0) throw InputError(path + ": the file is empty");
  const int64_t start = std::min(file.size(), kProbeBytes);
  uint8_t* bytes = scratch.allocate<uint8_t>(start);
  const Bytes read(bytes, file.read(0, bytes, static_cast<size_t>(start)));
  ImageHeader header;
  try {
    header = read_header(read, path);
  } catch (const InputError&) {  // perhaps only because the rest is missing
    if (start == file.size()) throw;
    header = read_header(read_file(path, scratch), path);
  }
  header.file_bytes = static_cast<size_t>(file.size());
  return header;
}

}  // namespace vmoe
