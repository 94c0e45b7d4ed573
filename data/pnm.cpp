#include "data/pnm.h"

namespace vmoe {

namespace {

bool is_space(uint8_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

class PnmReader {
 public:
  PnmReader(Bytes bytes, std::string_view name) : reader_(bytes, name) {
    reader_.take(1, "the PNM magic number");
    kind_ = reader_.u8("the PNM magic number") - '0';
    width_ = number("the width");
    height_ = number("the height");
    if (const std::string wrong = size_problem(width_, height_); !wrong.empty()) reader_.fail(wrong);
    if (!bitmap()) maximum_ = number("the largest value");
    if (maximum_ < 1 || maximum_ > 65535) reader_.fail("the largest value must be 1 to 65535");
  }

  ImageHeader header() const {
    ImageHeader header{"PNM", static_cast<int>(width_), static_cast<int>(height_), channels() == 1, 1, 0};
    header.decoder_bytes = static_cast<size_t>(samples()) + 64;
    return header;
  }

  ImageView decode(ImageScratch& scratch) {
    reader_.need(1, "the header");  // one white space ends it
    if (!is_space(reader_.u8("the header"))) reader_.fail("white space should end the header");
    reader_.need(static_cast<size_t>(text() ? samples() : binary_bytes()), "the pixels");
    uint8_t* pixels = scratch.allocate<uint8_t>(samples());
    if (kind_ == 4) {
      packed_bits(pixels);
    } else {
      for (int64_t i = 0; i < samples(); ++i) pixels[i] = sample();
    }
    while (reader_.left() > 0) {
      if (!is_space(reader_.u8("the end"))) reader_.fail("more bytes follow the last pixel");
    }
    return {pixels, static_cast<int>(width_), static_cast<int>(height_), channels()};
  }

 private:
  bool bitmap() const { return kind_ == 1 || kind_ == 4; }
  bool text() const { return kind_ <= 3; }
  int channels() const { return kind_ == 3 || kind_ == 6 ? 3 : 1; }
  int64_t samples() const { return width_ * height_ * channels(); }
  int64_t binary_bytes() const {
    return kind_ == 4 ? (width_ + 7) / 8 * height_ : samples() * (maximum_ > 255 ? 2 : 1);
  }

  void skip_space_and_comments() {
    for (;;) {
      reader_.need(1, "a number");
      const uint8_t c = reader_.bytes()[reader_.position()];
      if (c == '#') {
        while (reader_.left() > 0 && reader_.u8("a comment") != '\n') {
        }
      } else if (is_space(c)) {
        reader_.u8("white space");
      } else {
        return;
      }
    }
  }

  int64_t number(const char* what) {
    skip_space_and_comments();
    int64_t value = -1;
    while (reader_.left() > 0) {
      const uint8_t c = reader_.bytes()[reader_.position()];
      if (c < '0' || c > '9') break;
      value = (value < 0 ? 0 : value) * 10 + (c - '0');
      if (value > kMaxPixels) reader_.fail(std::string(what) + " is too large");
      reader_.u8(what);
    }
    if (value < 0) reader_.fail(std::string(what) + " should be a number");
    return value;
  }

  uint8_t sample() {
    if (kind_ == 1) return bit();
    int64_t value;
    if (text()) {
      value = number("a pixel");
    } else {
      value = maximum_ > 255 ? reader_.be16("the pixels") : reader_.u8("the pixels");
    }
    if (value > maximum_) {
      reader_.fail("pixel value " + std::to_string(value) + " is above the largest, " +
                   std::to_string(maximum_));
    }
    return static_cast<uint8_t>((value * 255 + maximum_ / 2) / maximum_);
  }

  // Text bitmaps may leave out the space between digits; 1 is black.
  uint8_t bit() {
    skip_space_and_comments();
    const uint8_t c = reader_.u8("a pixel");
    if (c != '0' && c != '1') reader_.fail("a pixel of a bitmap should be 0 or 1");
    return c == '1' ? 0 : 255;
  }

  void packed_bits(uint8_t* pixels) {
    for (int64_t y = 0; y < height_; ++y) {
      const Bytes row = reader_.take(static_cast<size_t>((width_ + 7) / 8), "the pixels");
      for (int64_t x = 0; x < width_; ++x) *pixels++ = row[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
    }
  }

  ByteReader reader_;
  int kind_ = 0;
  int64_t width_ = 0, height_ = 0, maximum_ = 1;
};

}  // namespace

bool is_pnm(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6';
}

ImageHeader read_pnm_header(Bytes bytes, std::string_view name) {
  return PnmReader(bytes, name).header();
}

ImageView decode_pnm(Bytes bytes, std::string_view name, ImageScratch& scratch) {
  return PnmReader(bytes, name).decode(scratch);
}

}  // namespace vmoe
