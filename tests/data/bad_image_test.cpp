// Image files that must end in one readable line, whatever is wrong with them.

#include <zlib.h>

#include "data/decode.h"
#include "tensor/random.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

std::string refusal(const ByteVector& file, const std::string& words) {
  ImageScratch scratch;
  const std::string line = error_of<InputError>([&] { decode_image(file, "bad", scratch); }, words);
  CHECK(line.starts_with("bad"));
  return line;
}

ByteVector baseline() {
  return fixture_bytes("images/baseline_420.jpg");
}
ByteVector progressive() {
  return fixture_bytes("images/progressive.jpg");
}

ByteVector without(ByteVector bytes, size_t start, size_t count) {
  bytes.erase(bytes.begin() + static_cast<long>(start), bytes.begin() + static_cast<long>(start + count));
  return bytes;
}

ByteVector with(ByteVector bytes, size_t at, uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

ByteVector first(const ByteVector& bytes, size_t count) {
  return {bytes.begin(), bytes.begin() + static_cast<long>(count)};
}

/// Decodes or refuses; anything else fails the test.
void survive(const ByteVector& file, ImageScratch& scratch) {
  try {
    decode_image(file, "damaged", scratch);
  } catch (const InputError&) {
  }
  scratch.reset();
}

/// Every file cut short at every length, and with every byte replaced by a few others.
void damage(const ByteVector& file) {
  ImageScratch scratch;
  for (size_t length = 0; length < file.size(); ++length) survive(first(file, length), scratch);
  Random random(11, Stream::test);
  for (size_t i = 0; i < file.size(); ++i) {
    for (const int value : {0, 255, static_cast<int>(random.below(256)), file[i] ^ 1 << random.below(8)}) {
      survive(with(file, i, static_cast<uint8_t>(value)), scratch);
    }
  }
}

}  // namespace

TEST_CASE("an empty image file is refused by name") {
  const TemporaryFolder folder;
  write_bytes(folder / "empty.png", {});
  ImageScratch scratch;
  error_of<InputError>([&] { load_image(folder / "empty.png", scratch); }, "empty.png: the file is empty");
}

TEST_CASE("garbage is not an image") {
  refusal(text_bytes("hello, I am not an image"), "neither JPEG nor PNG nor PNM");
}

TEST_CASE("a missing image file and a folder are errors of reading") {
  const TemporaryFolder folder;
  ImageScratch scratch;
  error_of<IoError>([&] { load_image(folder / "none.png", scratch); }, "none.png': No such file");
  error_of<IoError>([&] { load_image(folder.path(), scratch); }, "not a regular file");
}

TEST_CASE("a JPEG that stops half-way is refused") {
  const ByteVector file = baseline();
  refusal(first(file, file.size() / 2 + 200), "ends early");
}

TEST_CASE("a JPEG that stops half-way but has an end marker is refused") {
  const ByteVector file = baseline();
  refusal(first(file, file.size() - 60) + ByteVector{0xFF, 0xD9}, "ends early");
}

TEST_CASE("a progressive JPEG that stops inside its last scan is refused") {
  const ByteVector file = progressive();
  refusal(first(file, file.size() - 6) + ByteVector{0xFF, 0xD9}, "ends early");
}

TEST_CASE("a JPEG without its end marker is refused") {
  const ByteVector file = baseline();
  refusal(first(file, file.size() - 2), "ends early");
}

TEST_CASE("ten million bytes FF after a JPEG's compressed data are read once") {
  // It must merely end: time that grows with the square of the run would be days.
  const ByteVector file = baseline(), start = first(file, file.size() - 2) + ByteVector(10 << 20, 0xFF);
  refusal(start, "ends early");
  refusal(start + ByteVector{0, 0xFF, 0xD9}, "does not begin a marker");
}

TEST_CASE("bytes too many after a JPEG's compressed data are skipped only as the decoder skips them") {
  const ByteVector file = baseline(), start = first(file, file.size() - 2), end{0xFF, 0xD9};
  const ByteVector some(9, 0x12), fill{0xFF};
  ImageScratch scratch;
  const ImageView plain = decode_image(file, "plain", scratch);
  for (const ByteVector& rest : {some + end, fill + fill + end}) {
    CHECK(largest_difference(decode_image(start + rest, "longer", scratch), plain) == 0);
  }
  refusal(start + ByteVector{0xFF, 0, 0x12, 0xFF, 0} + end, "byte 0xFF does not begin a marker");
  refusal(start + some + ByteVector{0xFF, 0} + end, "byte 0xFF does not begin a marker");
  refusal(start + some + fill + end, "byte 0xFF does not begin a marker");
}

TEST_CASE("a marker without a segment is refused where a segment should be") {
  const ByteVector file = baseline();
  const size_t at = find_marker(file, 0xDA);
  const ByteVector rest(file.begin() + static_cast<long>(at), file.end());
  for (int marker = 0xD0; marker <= 0xD7; ++marker) {
    refusal(first(file, at) + ByteVector{0xFF, static_cast<uint8_t>(marker)} + rest,
            "restart marker 0xD" + std::to_string(marker - 0xD0) + " does not belong here");
  }
  refusal(first(file, at) + ByteVector{0xFF, 0x01} + rest, "marker 0x01 does not belong here");
  refusal(first(file, at) + ByteVector{0xFF, 0xD8} + rest, "marker 0xD8 does not belong here");
}

TEST_CASE("a JPEG followed by garbage is refused") {
  refusal(baseline() + text_bytes("some other bytes"), "16 bytes follow the end");
}

TEST_CASE("a JPEG that claims 65535 x 65535 pixels is refused before memory is taken") {
  ByteVector file = baseline();
  const size_t frame = find_marker(file, 0xC0);
  for (size_t i = 5; i < 9; ++i) file[frame + i] = 0xFF;
  refusal(file, "65535 x 65535");
}

TEST_CASE("a JPEG without pixels is refused") {
  ByteVector file = baseline();
  const size_t frame = find_marker(file, 0xC0);
  refusal(with(with(file, frame + 5, 0), frame + 6, 0), "no pixels");
}

TEST_CASE("a JPEG of 12 bits a sample is refused") {
  const ByteVector file = baseline();
  refusal(with(file, find_marker(file, 0xC0) + 4, 12), "12 bits a sample");
}

TEST_CASE("arithmetic and lossless JPEG are refused by marker") {
  const ByteVector file = baseline();
  refusal(with(file, find_marker(file, 0xC0) + 1, 0xC9), "0xC9 is not supported");
}

TEST_CASE("sampling factors must divide each other") {
  const ByteVector file = baseline();
  const size_t frame = find_marker(file, 0xC0);
  refusal(with(with(file, frame + 11, 0x32), frame + 14, 0x22), "divide");
  refusal(with(file, frame + 11, 0x50), "1 to 4");
}

TEST_CASE("two JPEG components with one number are refused") {
  const ByteVector file = baseline();
  const size_t frame = find_marker(file, 0xC0);
  refusal(with(file, frame + 13, file[frame + 10]), "same number");
}

TEST_CASE("a second frame header is refused") {
  const ByteVector file = baseline();
  const size_t frame = find_marker(file, 0xC0);
  const ByteVector copy(file.begin() + static_cast<long>(frame),
                        file.begin() + static_cast<long>(frame + 19));
  refusal(first(file, frame) + copy + ByteVector(file.begin() + static_cast<long>(frame), file.end()),
          "second frame");
}

TEST_CASE("a scan that uses an undefined Huffman table is refused") {
  const ByteVector file = baseline();
  refusal(with(file, find_marker(file, 0xDA) + 6, 0x33), "Huffman table that is not defined");
}

TEST_CASE("a JPEG without quantisation tables is refused") {
  ByteVector file = baseline();
  for (int i = 0; i < 2; ++i) file = without(file, find_marker(file, 0xDB), 69);
  refusal(file, "quantisation table that is not defined");
}

TEST_CASE("Huffman counts that do not form a code are refused") {
  const ByteVector file = baseline();
  refusal(with(file, find_marker(file, 0xC4) + 5, 3), "");  // three codes of one bit
  ByteVector counts(17, 0);
  counts[16] = 255;
  counts[15] = 20;
  const ByteVector table = jpeg_segment(0xC4, counts + ByteVector(275, 1));
  const size_t at = find_marker(file, 0xC4);
  refusal(first(file, at) + table + ByteVector(file.begin() + static_cast<long>(at), file.end()),
          "more than 255 symbols");
}

TEST_CASE("a segment longer than its content is refused") {
  const ByteVector file = baseline();
  const size_t restart = find_marker(file, 0xDA);
  const ByteVector interval = jpeg_segment(0xDD, {0, 4, 0});
  refusal(first(file, restart) + interval + ByteVector(file.begin() + static_cast<long>(restart), file.end()),
          "longer than what it holds");
}

TEST_CASE("a missing restart marker is refused") {
  ByteVector file = fixture_bytes("images/restart.jpg");
  size_t at = find_marker(file, 0xDA);
  while (!(file[at] == 0xFF && file[at + 1] == 0xD0)) ++at;
  refusal(without(file, at, 2), "");
  refusal(with(file, at + 1, 0xD3), "restart marker 0 is missing");
}

TEST_CASE("a JPEG in which a component is missing is refused") {
  // A grey scan of a colour frame: the scan header names one component of three.
  ByteVector file = fixture_bytes("images/grey.jpg");
  const size_t frame = find_marker(file, 0xC0);
  const ByteVector head = jpeg_segment(0xC0, {8, 0, 26, 0, 37, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0});
  file = first(file, frame) + head + ByteVector(file.begin() + static_cast<long>(frame + 13), file.end());
  refusal(file, "component 2 is missing");
}

TEST_CASE("a progressive JPEG with thousands of scans is refused") {
  const ByteVector file = progressive();
  const size_t scan = find_marker(file, 0xDA, 1), next = find_marker(file, 0xC4, 3);
  REQUIRE(next > scan);
  const ByteVector repeated(file.begin() + static_cast<long>(scan), file.begin() + static_cast<long>(next));
  ByteVector bomb = first(file, next);
  for (int i = 0; i < 5000; ++i) bomb.insert(bomb.end(), repeated.begin(), repeated.end());
  bomb.insert(bomb.end(), file.begin() + static_cast<long>(next), file.end());
  refusal(bomb, "repeats or skips");
}

TEST_CASE("scans times pixels above 2^31 are refused before they are walked") {
  // 8192 x 8192 pixels: the 33rd scan is one too many. All-zero data (EOB runs) keeps the file small.
  ByteVector file = ByteVector{0xFF, 0xD8} + jpeg_segment(0xDB, ByteVector(65, 1)) +
                    jpeg_segment(0xC2, {8, 0x20, 0, 0x20, 0, 1, 1, 0x11, 1});
  ByteVector one_symbol(17, 0);
  one_symbol[1] = 1;  // one code of one bit
  ByteVector ac = one_symbol;
  ac[0] = 0x10;
  // DC: symbol 0 (no bits) for each block: one bit each. AC: symbol 0xE0 (end of band for 2^14 blocks and
  // more).
  file = file + jpeg_segment(0xC4, one_symbol + ByteVector{0}) + jpeg_segment(0xC4, ac + ByteVector{0xE0});
  file = file + jpeg_segment(0xDA, {1, 1, 0x00, 0, 0, 0}) + ByteVector(1024 * 1024 / 8, 0);
  for (int k = 1; k <= 40; ++k) {
    file = file + jpeg_segment(0xDA, {1, 1, 0x00, static_cast<uint8_t>(k), static_cast<uint8_t>(k), 0});
    file = file + ByteVector(64 * 15 / 8, 0);  // 64 runs of 2^14 blocks: one bit of code, 14 of run length
  }
  refusal(file + ByteVector{0xFF, 0xD9}, "too many scans");
}

TEST_CASE("coefficients that run over the end of a block or band are refused") {
  // One 8 x 8 block. DC: symbol 0; AC: symbol 0xF1 (15 zeros, then a value of one bit); each code is the bit
  // 0.
  ByteVector one_symbol(17, 0);
  one_symbol[1] = 1;
  ByteVector ac = one_symbol;
  ac[0] = 0x10;
  const ByteVector tables = ByteVector{0xFF, 0xD8} + jpeg_segment(0xDB, ByteVector(65, 1)) +
                            jpeg_segment(0xC4, one_symbol + ByteVector{0}) +
                            jpeg_segment(0xC4, ac + ByteVector{0xF1});
  const ByteVector frame{8, 0, 8, 0, 8, 1, 1, 0x11, 1};
  const ByteVector end = ByteVector(4, 0) + ByteVector{0xFF, 0xD9};
  refusal(tables + jpeg_segment(0xC0, frame) + jpeg_segment(0xDA, {1, 1, 0, 0, 63, 0}) + end, "run over");
  refusal(tables + jpeg_segment(0xC2, frame) + jpeg_segment(0xDA, {1, 1, 0, 0, 0, 0}) + ByteVector{0} +
              jpeg_segment(0xDA, {1, 1, 0, 1, 5, 0}) + end,
          "run over");
}

TEST_CASE("a progressive scan that comes twice is refused") {
  // One 8 x 8 block; every code is the bit 0 and means symbol 0 (DC: no difference, AC: end of band).
  ByteVector dc(17, 0);
  dc[1] = 1;
  ByteVector ac = dc;
  ac[0] = 0x10;
  const ByteVector start = ByteVector{0xFF, 0xD8} + jpeg_segment(0xDB, ByteVector(65, 1)) +
                           jpeg_segment(0xC4, dc + ByteVector{0}) + jpeg_segment(0xC4, ac + ByteVector{0}) +
                           jpeg_segment(0xC2, {8, 0, 8, 0, 8, 1, 1, 0x11, 1}) +
                           jpeg_segment(0xDA, {1, 1, 0, 0, 0, 0}) + ByteVector{0};
  const ByteVector scan = jpeg_segment(0xDA, {1, 1, 0, 1, 63, 0}) + ByteVector{0};
  const ByteVector end{0xFF, 0xD9};
  ImageScratch scratch;
  CHECK(decode_image(start + scan + end, "test", scratch).pixels[0] == 128);
  refusal(start + scan + scan + end, "scan 3 repeats");
}

TEST_CASE("an impossible progression is refused") {
  const ByteVector file = progressive();
  const size_t scan = find_marker(file, 0xDA, 1);  // AC coefficients of one component
  refusal(with(file, scan + 7, 70), "not possible");
  refusal(with(file, scan + 9, 0x30), "");
}

TEST_CASE("a PNG that claims 65535 x 65535 pixels is refused before memory is taken") {
  refusal(png(png_header(65535, 65535, 8, 6), {0, 1, 2, 3}), "65535 x 65535");
}

TEST_CASE("a PNG of one pixel that inflates to hundreds of MB is refused") {
  ByteVector rows(size_t{300} << 20, 0);
  const ByteVector file = png(png_header(1, 1, 8, 0), rows);
  rows = {};
  CHECK(file.size() < 400000);
  refusal(file, "inflates to more than the 2 bytes");
}

TEST_CASE("a side above 65535 pixels is refused by the header, whatever the format") {
  const std::string limit = " pixels; at most 65535 a side and 64 Mi in all are accepted";
  refusal(png(png_header(65536, 1, 1, 0), {0}), "65536 x 1" + limit);
  refusal(png(png_header(1, 16777217, 8, 0), {0}), "1 x 16777217" + limit);
  refusal(text_bytes("P5 66076420 1 255 "), "66076420 x 1" + limit);
  refusal(text_bytes("P4 1 65536 "), "1 x 65536" + limit);
  ImageScratch scratch;
  CHECK(decode_image(png(png_header(65535, 1, 1, 0), ByteVector(1 + 8192, 0)), "wide", scratch).width ==
        65535);
  CHECK(decode_image(text_bytes("P4 65535 1 ") + ByteVector(8192, 0), "wide", scratch).width == 65535);
}

TEST_CASE("a truncated PNG is refused") {
  const ByteVector file = png(png_header(3, 2, 8, 0), {0, 10, 20, 30, 0, 40, 50, 60});
  refusal(first(file, file.size() / 2), "ends inside");
  refusal(first(file, file.size() - 12), "IEND");
}

TEST_CASE("a PNG with too few pixels is refused") {
  refusal(png(png_header(3, 2, 8, 0), {0, 10, 20, 30}), "the image needs 8");
}

TEST_CASE("a PNG followed by other bytes is refused") {
  refusal(png(png_header(1, 1, 8, 0), {0, 1}) + ByteVector{1, 2, 3}, "3 bytes follow");
}

TEST_CASE("a PNG with a wrong checksum is refused") {
  ByteVector file = png(png_header(3, 2, 8, 0), {0, 10, 20, 30, 0, 40, 50, 60});
  refusal(with(file, 19, 4), "checksum of chunk IHDR");
}

TEST_CASE("damaged compressed data of a PNG is refused") {
  ByteVector data = deflated({0, 10, 20, 30, 0, 40, 50, 60});
  data[4] ^= 0x55;
  refusal(kPngSignature + png_header(3, 2, 8, 0) + png_chunk("IDAT", data) + png_chunk("IEND", {}), "");
}

TEST_CASE("a PNG whose pixels have an unknown row filter is refused") {
  refusal(png(png_header(1, 1, 8, 0), {9, 1}), "filter");
}

TEST_CASE("a PNG with an impossible bit depth is refused") {
  refusal(png(png_header(1, 1, 3, 0), {0, 1}), "does not exist");
  refusal(png(png_header(1, 1, 16, 3), {0, 1}), "does not exist");
}

TEST_CASE("a palette PNG without palette, or with half a colour, is refused") {
  refusal(png(png_header(1, 1, 8, 3), {0, 0}), "palette");
  refusal(png(png_header(1, 1, 8, 3), {0, 0}, png_chunk("PLTE", {1, 2, 3, 4})), "palette");
}

TEST_CASE("PNG chunks in an impossible order are refused") {
  const ByteVector data = png_chunk("IDAT", deflated({0, 1}));
  refusal(kPngSignature + data + png_chunk("IEND", {}), "does not start with its header");
  refusal(kPngSignature + png_header(1, 1, 8, 0) + png_header(1, 1, 8, 0) + data + png_chunk("IEND", {}),
          "IHDR");
  refusal(
      kPngSignature + png_header(1, 1, 8, 0) + data + png_chunk("tEXt", {65}) + data + png_chunk("IEND", {}),
      "");
  refusal(png(png_header(1, 1, 8, 0), {0, 1}, png_chunk("CgBI", {0})), "CgBI does not belong here");
}

TEST_CASE("a transparency chunk that does not fit is refused") {
  refusal(png(png_header(1, 1, 8, 2), {0, 1, 2, 3}, png_chunk("tRNS", {0, 1})), "tRNS");
  ByteVector damaged = png_chunk("tRNS", {0, 1, 0, 2, 0, 3});
  ++damaged.back();
  refusal(png(png_header(1, 1, 8, 2), {0, 1, 2, 3}, damaged), "wrong checksum of chunk tRNS");
  refusal(png(png_header(1, 1, 8, 6), {0, 1, 2, 3, 4}, png_chunk("tRNS", {0, 1, 0, 1, 0, 1})), "tRNS");
}

TEST_CASE("malformed PNM files are refused") {
  refusal(text_bytes("P5"), "ends inside");
  refusal(text_bytes("P5 two 1 255 "), "the width should be a number");
  refusal(text_bytes("P5 0 1 255 "), "no pixels");
  refusal(text_bytes("P5 65535 65535 255 "), "65535 x 65535");
  refusal(text_bytes("P5 99999999999999999999 1 255 "), "too large");
  refusal(text_bytes("P5 1 1 70000 ") + ByteVector{1, 1}, "1 to 65535");
  refusal(text_bytes("P5 2 2 255 ") + ByteVector{1, 2, 3}, "1 bytes are missing");
  refusal(text_bytes("P6 1 1 255 ") + ByteVector{1, 2, 3, 4}, "more bytes follow");
  refusal(text_bytes("P2 2 1 9 4 10 "), "above the largest");
  refusal(text_bytes("P1 2 1 02"), "0 or 1");
  refusal(text_bytes("P5 1 1 9 ") + ByteVector{200}, "above the largest");
}

TEST_CASE("a decoder that wants more than its budget is refused") {
  ImageScratch scratch(size_t{1} << 20);
  const ByteVector file = png(png_header(2000, 2000, 8, 0), ByteVector(2000 * 2001, 0));
  error_of<InputError>([&] { decode_image(file, "big", scratch); }, "big: the image needs more than 1 MiB");
}

TEST_CASE("damaged baseline JPEGs are decoded or refused, never more") {
  damage(baseline());
}
TEST_CASE("damaged progressive JPEGs are decoded or refused, never more") {
  damage(fixture_bytes("images/restart_progressive.jpg"));
}
TEST_CASE("damaged PNGs are decoded or refused, never more") {
  damage(png(png_header(9, 5, 2, 3), ByteVector(5 * 4, 1), png_chunk("PLTE", {1, 2, 3, 4, 5, 6, 7, 8, 9})));
}
TEST_CASE("damaged PNMs are decoded or refused, never more") {
  damage(text_bytes("P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n"));
}
