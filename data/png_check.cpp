#include "data/png_check.h"

#include <algorithm>
#include <cstring>

#include "data/exif.h"
#include "data/inflate.h"

namespace vmoe {

namespace {

constexpr uint8_t kSignature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr int kGrey = 0, kRgb = 2, kPalette = 3, kGreyAlpha = 4, kRgba = 6;
constexpr int64_t kPadding = int64_t{64} << 10;  // zeros that some writers leave after the last row

constexpr uint32_t type(const char (&name)[5]) {
  return static_cast<uint32_t>(name[0]) << 24 | name[1] << 16 | name[2] << 8 | name[3];
}

class PngWalk {
 public:
  PngWalk(Bytes bytes, std::string_view name, ImageScratch* scratch)
      : reader_(bytes, name), scratch_(scratch) {}

  ImageHeader read_header() {
    reader_.take(sizeof kSignature, "the PNG signature");
    next_chunk();
    if (type_ != type("IHDR") || body_.size() != 13)
      reader_.fail("the PNG does not start with its header (IHDR)");
    image_header();
    return header();
  }

  PngLayout check() {
    read_header();
    ImageScratch::Frame frame(*scratch_);
    Inflater inflater(15, scratch_);
    output_ = scratch_->allocate<uint8_t>(kOutput);
    for (next_chunk(); type_ != type("IEND"); next_chunk()) chunk(inflater.stream());
    if (!body_.empty()) reader_.fail("the end chunk (IEND) is not empty");
    if (!inflated_all_) reader_.fail("the PNG ends early: its pixel data is incomplete");
    if (reader_.left() > 0) reader_.fail(std::to_string(reader_.left()) + " bytes follow the end of the PNG");
    layout_.header = header();
    return layout_;
  }

 private:
  static constexpr int64_t kOutput = 32 << 10;

  void next_chunk() {
    if (reader_.left() == 0) reader_.fail("the PNG ends early: its end chunk (IEND) is missing");
    chunk_ = reader_.position();
    const uint32_t length = reader_.be32("a chunk's length");
    reader_.need(size_t{length} + 8, "a chunk");
    const Bytes checked = reader_.bytes().subspan(reader_.position(), size_t{length} + 4);
    type_ = reader_.be32("a chunk");
    body_ = reader_.take(length, "a chunk");
    const uint32_t checksum = reader_.be32("a chunk");
    // A colour to be transparent decides about pixels, too.
    const bool decides = critical() || type_ == type("tRNS");
    if (decides && crc32(0, checked.data(), static_cast<uInt>(checked.size())) != checksum) {
      bad_file(reader_.name(), chunk_, "wrong checksum of chunk " + type_name());
    }
  }

  void image_header() {
    ByteReader body(reader_.bytes().first(chunk_ + 8 + body_.size()), reader_.name());
    body.seek(chunk_ + 8);
    width_ = body.be32("IHDR");
    height_ = body.be32("IHDR");
    depth_ = body.u8("IHDR");
    colour_ = body.u8("IHDR");
    if (const std::string wrong = size_problem(width_, height_); !wrong.empty()) body.fail(wrong);
    if (!possible_depth()) {
      body.fail("colour type " + std::to_string(colour_) + " with " + std::to_string(depth_) +
                " bits does not exist");
    }
    if (body.u8("IHDR") != 0 || body.u8("IHDR") != 0) body.fail("unknown compression or filter method");
    const int interlace = body.u8("IHDR");
    if (interlace > 1) body.fail("unknown interlace method " + std::to_string(interlace));
    interlaced_ = interlace == 1;
    expected_ = interlaced_ ? interlaced_bytes() : pass_bytes(width_, height_);
  }

  bool possible_depth() const {
    switch (colour_) {
      case kGrey:
        return depth_ == 1 || depth_ == 2 || depth_ == 4 || depth_ == 8 || depth_ == 16;
      case kPalette:
        return depth_ == 1 || depth_ == 2 || depth_ == 4 || depth_ == 8;
      case kRgb:
      case kGreyAlpha:
      case kRgba:
        return depth_ == 8 || depth_ == 16;
      default:
        return false;
    }
  }

  int samples() const { return colour_ == kRgb ? 3 : colour_ == kRgba ? 4 : colour_ == kGreyAlpha ? 2 : 1; }

  // Bytes of `rows` rows of `columns` pixels, each row after its filter byte.
  int64_t pass_bytes(int64_t columns, int64_t rows) const {
    return columns == 0 ? 0 : rows * (1 + (columns * samples() * depth_ + 7) / 8);
  }

  int64_t interlaced_bytes() const {
    constexpr int kStartX[] = {0, 4, 0, 2, 0, 1, 0}, kStepX[] = {8, 8, 4, 4, 2, 2, 1};
    constexpr int kStartY[] = {0, 0, 4, 0, 2, 0, 1}, kStepY[] = {8, 8, 8, 4, 4, 2, 2};
    int64_t bytes = 0;
    for (int pass = 0; pass < 7; ++pass) {
      bytes += pass_bytes((width_ - kStartX[pass] + kStepX[pass] - 1) / kStepX[pass],
                          (height_ - kStartY[pass] + kStepY[pass] - 1) / kStepY[pass]);
    }
    return bytes;
  }

  void chunk(z_stream& stream) {
    if (type_ == type("IDAT")) {
      if (colour_ == kPalette && layout_.palette_chunk == 0) reader_.fail("the palette (PLTE) is missing");
      if (data_ended_) bad_file(reader_.name(), chunk_, "pixel data (IDAT) in two places");
      pixel_data(stream);
      return;
    }
    data_ended_ = compressed_ > 0;
    if (type_ == type("PLTE")) {
      palette();
    } else if (type_ == type("tRNS")) {
      transparency();
    } else if (type_ == type("eXIf")) {
      orientation_ = exif_orientation(body_);
    } else if (critical()) {
      bad_file(reader_.name(), chunk_, "chunk " + type_name() + " does not belong here");
    }
  }

  void palette() {
    if (layout_.palette_chunk != 0 || data_ended_ || body_.empty() || body_.size() > 768 ||
        body_.size() % 3 != 0) {
      bad_file(reader_.name(), chunk_,
               "a palette (PLTE) of " + std::to_string(body_.size()) +
                   " bytes; one of 3 to 768, before the pixels, is possible");
    }
    layout_.palette_chunk = chunk_;
    layout_.palette_colours = static_cast<int>(body_.size() / 3);
  }

  void transparency() {
    const bool fits = colour_ == kPalette ? body_.size() <= static_cast<size_t>(layout_.palette_colours)
                                          : body_.size() == (colour_ == kRgb ? 6u : 2u);
    if (!fits || data_ended_ || transparent_ || colour_ == kGreyAlpha || colour_ == kRgba) {
      bad_file(reader_.name(), chunk_,
               "transparency (tRNS) of " + std::to_string(body_.size()) + " bytes does not fit the colours");
    }
    transparent_ = true;
  }

  void pixel_data(z_stream& stream) {
    compressed_ += static_cast<int64_t>(body_.size());
    stream.next_in = const_cast<Bytef*>(body_.data());
    stream.avail_in = static_cast<uInt>(body_.size());
    while (stream.avail_in > 0) {
      if (inflated_all_) bad_file(reader_.name(), chunk_, "more compressed data after its end");
      stream.next_out = output_;
      stream.avail_out = kOutput;
      const int result = inflate(&stream, Z_NO_FLUSH);
      inflated_ += kOutput - stream.avail_out;
      if (inflated_ > expected_ + kPadding) {
        bad_file(reader_.name(), chunk_,
                 "the pixel data inflates to more than the " + std::to_string(expected_) +
                     " bytes that the image needs");
      }
      if (result == Z_STREAM_END) {
        inflated_all_ = true;
        if (inflated_ < expected_) {
          bad_file(reader_.name(), chunk_,
                   "the pixel data inflates to " + std::to_string(inflated_) + " bytes; the image needs " +
                       std::to_string(expected_));
        }
      } else if (result != Z_OK) {
        bad_file(reader_.name(), chunk_, "the compressed pixel data is damaged");
      }
    }
  }

  ImageHeader header() const {
    ImageHeader header{"PNG",
                       static_cast<int>(width_),
                       static_cast<int>(height_),
                       colour_ == kGrey || colour_ == kGreyAlpha,
                       orientation_,
                       0};
    const int64_t pixels = width_ * height_, bytes = depth_ == 16 ? 2 : 1;
    const int64_t decoded = pixels * (samples() + (transparent_ ? 1 : 0)) * bytes;
    const int64_t converted = colour_ == kPalette ? pixels * 4 : depth_ == 16 ? decoded / 2 : 0;
    const int64_t copies = interlaced_ ? 2 : 1;
    header.decoder_bytes = static_cast<size_t>(
        std::max(2 * compressed_ + 4096 + inflater_bytes() + copies * decoded + converted, 2 * 3 * pixels) +
        1024);
    return header;
  }

  // What stb_image inflates into: it begins with the size of an image that is not interlaced, and doubles
  // that until all fits. Before the pixel data was read, there may be as much of it as is accepted.
  int64_t inflater_bytes() const {
    const int64_t needed = inflated_all_ ? inflated_ : expected_ + kPadding;
    int64_t bytes = (width_ * depth_ + 7) / 8 * height_ * samples() + height_;
    while (bytes < needed) bytes *= 2;
    return bytes;
  }

  bool critical() const { return (type_ & 1u << 29) == 0; }

  std::string type_name() const {
    std::string name;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const char c = static_cast<char>(type_ >> shift);
      name += c >= 'A' && c <= 'z' ? c : '?';
    }
    return name;
  }

  ByteReader reader_;
  ImageScratch* scratch_;  // null when only the header is read
  size_t chunk_ = 0;       // where the current chunk starts
  uint32_t type_ = 0;
  Bytes body_;

  int64_t width_ = 0, height_ = 0;
  int depth_ = 0, colour_ = 0, orientation_ = 1;
  bool interlaced_ = false, transparent_ = false;
  PngLayout layout_;

  uint8_t* output_ = nullptr;
  int64_t expected_ = 0;  // bytes of all rows with their filter bytes
  int64_t inflated_ = 0, compressed_ = 0;
  bool inflated_all_ = false, data_ended_ = false;
};

}  // namespace

bool is_png(Bytes bytes) {
  return bytes.size() >= sizeof kSignature && std::memcmp(bytes.data(), kSignature, sizeof kSignature) == 0;
}

ImageHeader read_png_header(Bytes bytes, std::string_view name) {
  return PngWalk(bytes, name, nullptr).read_header();
}

PngLayout check_png(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  return PngWalk(bytes, name, &scratch).check();
}

}  // namespace vmoe
