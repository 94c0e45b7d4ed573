// Pixels of every kind of image that is fine.

#include "data/decode.h"

#include "data/file.h"
#include "data/png_check.h"
#include "data/stb_decoder.h"
#include "tests/data/files.h"
#include "tests/support/allocation_count.h"
#include "tests/support/fixture.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

ByteVector pixels_of(const ByteVector& file, ImageScratch& scratch, int width, int height, int channels) {
  const ImageView image = decode_image(file, "test", scratch);
  CHECK(image.width == width);
  CHECK(image.height == height);
  CHECK(image.channels == channels);
  return {image.pixels, image.pixels + image.bytes()};
}

/// The JPEG fixture differs from Pillow's pixels by at most `tolerance` grey levels.
void check_jpeg_fixture(const std::string& name, int tolerance) {
  ImageScratch scratch;
  const ImageView got = load_image(fixture_path("images/" + name + ".jpg"), scratch);
  const ImageView want = load_image(fixture_path("images/" + name + ".ppm"), scratch);
  CHECK(largest_difference(got, want) <= tolerance);
}

}  // namespace

// stb_image and libjpeg-turbo round the inverse transform and the colour conversion differently, by 1 or 2
// grey levels a step; subsampled chroma is interpolated by other weights at the edges.
TEST_CASE("a baseline JPEG decodes as in Pillow") {
  check_jpeg_fixture("baseline_444", 4);
}
TEST_CASE("a JPEG with chroma at half resolution decodes as in Pillow") {
  check_jpeg_fixture("baseline_420", 8);
}
TEST_CASE("a JPEG with chroma at half width decodes as in Pillow") {
  check_jpeg_fixture("baseline_422", 8);
}
TEST_CASE("a grey JPEG decodes to one channel as in Pillow") {
  check_jpeg_fixture("grey", 2);
}
TEST_CASE("a progressive JPEG decodes as in Pillow") {
  check_jpeg_fixture("progressive", 4);
}
TEST_CASE("a progressive JPEG with subsampled chroma decodes as in Pillow") {
  check_jpeg_fixture("progressive_420", 8);
}
TEST_CASE("a progressive grey JPEG decodes as in Pillow") {
  check_jpeg_fixture("progressive_grey", 2);
}
TEST_CASE("a JPEG with optimised Huffman tables decodes as in Pillow") {
  check_jpeg_fixture("optimised", 4);
}
TEST_CASE("a JPEG with restart markers decodes as in Pillow") {
  check_jpeg_fixture("restart", 4);
}
TEST_CASE("a progressive JPEG with restart markers decodes as in Pillow") {
  check_jpeg_fixture("restart_progressive", 8);
}
TEST_CASE("a JPEG of one pixel decodes as in Pillow") {
  check_jpeg_fixture("dot", 4);
}

TEST_CASE("EXIF orientations 1 to 8 are undone") {
  ImageScratch scratch;
  const ImageView upright = load_image(fixture_path("images/upright.ppm"), scratch);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const auto path = fixture_path("images/orientation_" + std::to_string(orientation) + ".jpg");
    CHECK(largest_difference(load_image(path, scratch), upright) <= 12);  // JPEG loss at quality 95
    const ImageHeader header = probe_image(path, scratch);
    CHECK(header.orientation == orientation);
  }
}

TEST_CASE("a PNG may say in eXIf how it was held") {
  ImageScratch scratch;
  // TIFF, little-endian: one entry, tag 0x0112 (orientation), type 3, count 1, value 3 (upside down).
  const ByteVector exif{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 3, 0, 0, 0};
  const ByteVector file = png(png_header(2, 1, 8, 0), {0, 10, 200}, png_chunk("eXIf", exif));
  CHECK(pixels_of(file, scratch, 2, 1, 1) == ByteVector{200, 10});
}

TEST_CASE("malformed EXIF data leaves the picture as it is") {
  ImageScratch scratch;
  const ByteVector exif{'I', 'I', 42, 0, 255, 255, 255, 255};
  const ByteVector file = png(png_header(2, 1, 8, 0), {0, 10, 200}, png_chunk("eXIf", exif));
  CHECK(pixels_of(file, scratch, 2, 1, 1) == ByteVector{10, 200});
}

TEST_CASE("a grey PNG decodes to one channel, row filters undone") {
  ImageScratch scratch;
  const ByteVector rows{1, 10, 5, 5, 2, 1, 1, 1};  // row 0: differences from the left, row 1: from above
  CHECK(pixels_of(png(png_header(3, 2, 8, 0), rows), scratch, 3, 2, 1) == ByteVector{10, 15, 20, 11, 16, 21});
}

TEST_CASE("a grey PNG of 1, 2 and 4 bits is scaled to 0 .. 255") {
  ImageScratch scratch;
  CHECK(pixels_of(png(png_header(3, 1, 1, 0), {0, 0b10100000}), scratch, 3, 1, 1) == ByteVector{255, 0, 255});
  CHECK(pixels_of(png(png_header(3, 1, 2, 0), {0, 0b00011100}), scratch, 3, 1, 1) == ByteVector{0, 85, 255});
  CHECK(pixels_of(png(png_header(3, 1, 4, 0), {0, 0x0F, 0x80}), scratch, 3, 1, 1) == ByteVector{0, 255, 136});
}

TEST_CASE("a 16-bit grey PNG keeps its high bytes") {
  ImageScratch scratch;
  CHECK(pixels_of(png(png_header(2, 1, 16, 0), {0, 0x12, 0x34, 0xFE, 0xFF}), scratch, 2, 1, 1) ==
        ByteVector{0x12, 0xFE});
}

TEST_CASE("a 16-bit RGB PNG keeps its high bytes") {
  ImageScratch scratch;
  CHECK(pixels_of(png(png_header(1, 1, 16, 2), {0, 1, 9, 2, 9, 3, 9}), scratch, 1, 1, 3) ==
        ByteVector{1, 2, 3});
}

TEST_CASE("an RGB PNG of one pixel decodes") {
  ImageScratch scratch;
  CHECK(pixels_of(png(png_header(1, 1, 8, 2), {0, 7, 8, 9}), scratch, 1, 1, 3) == ByteVector{7, 8, 9});
}

TEST_CASE("an RGBA PNG is put on white") {
  ImageScratch scratch;
  const ByteVector rows{0, 10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128};
  // Alpha 128: (0 * 128 + 255 * 127 + 127) / 255 = 127, (100 * 128 + ...) / 255 = 177, (200 * 128 + ...) =
  // 227.
  CHECK(pixels_of(png(png_header(3, 1, 8, 6), rows), scratch, 3, 1, 3) ==
        ByteVector{10, 20, 30, 255, 255, 255, 127, 177, 227});
}

TEST_CASE("transparency is rounded, not cut off") {
  ImageScratch scratch;
  // (10 * 200 + 255 * 55) / 255 = 62.8
  CHECK(pixels_of(png(png_header(1, 1, 8, 4), {0, 10, 200}), scratch, 1, 1, 1) == ByteVector{63});
}

TEST_CASE("a grey PNG with alpha is put on white") {
  ImageScratch scratch;
  CHECK(pixels_of(png(png_header(3, 1, 8, 4), {0, 50, 255, 50, 0, 0, 128}), scratch, 3, 1, 1) ==
        ByteVector{50, 255, 127});
}

TEST_CASE("a PNG with a transparent colour shows white there") {
  ImageScratch scratch;
  const ByteVector transparent = png_chunk("tRNS", {0, 20});
  CHECK(pixels_of(png(png_header(3, 1, 8, 0), {0, 10, 20, 30}, transparent), scratch, 3, 1, 1) ==
        ByteVector{10, 255, 30});
}

TEST_CASE("a palette PNG decodes to RGB") {
  ImageScratch scratch;
  const ByteVector palette = png_chunk("PLTE", {1, 2, 3, 40, 50, 60, 7, 8, 9});
  CHECK(pixels_of(png(png_header(3, 1, 8, 3), {0, 2, 0, 1}, palette), scratch, 3, 1, 3) ==
        ByteVector{7, 8, 9, 1, 2, 3, 40, 50, 60});
  CHECK(pixels_of(png(png_header(4, 1, 2, 3), {0, 0b10000100}, palette), scratch, 4, 1, 3) ==
        ByteVector{7, 8, 9, 1, 2, 3, 40, 50, 60, 1, 2, 3});
}

TEST_CASE("a palette PNG with transparency is put on white") {
  ImageScratch scratch;
  const ByteVector palette = png_chunk("PLTE", {1, 2, 3, 40, 50, 60}) + png_chunk("tRNS", {0});
  CHECK(pixels_of(png(png_header(2, 1, 8, 3), {0, 0, 1}, palette), scratch, 2, 1, 3) ==
        ByteVector{255, 255, 255, 40, 50, 60});
}

TEST_CASE("a colour beyond the end of a palette is black, whatever was decoded before") {
  ImageScratch scratch;
  const ByteVector one_colour = png_chunk("PLTE", {1, 2, 3}), full = png_chunk("PLTE", ByteVector(768, 77));
  for (int i = 0; i < 3; ++i) {
    CHECK(pixels_of(png(png_header(2, 1, 8, 3), {0, 0, 200}, full), scratch, 2, 1, 3) == ByteVector(6, 77));
    CHECK(pixels_of(png(png_header(2, 1, 8, 3), {0, 0, 200}, one_colour), scratch, 2, 1, 3) ==
          ByteVector{1, 2, 3, 0, 0, 0});
  }
}

TEST_CASE("an interlaced PNG decodes") {
  ImageScratch scratch;
  // 3 x 3 pixels numbered by row: pass 1 holds (0,0); pass 4 (2,0); pass 5 (0,2), (2,2); pass 6 column 1 of
  // rows 0 and 2; pass 7 row 1.
  const ByteVector rows{0, 0, 0, 2, 0, 6, 8, 0, 1, 0, 7, 0, 3, 4, 5};
  CHECK(pixels_of(png(png_header(3, 3, 8, 0, 1), rows), scratch, 3, 3, 1) ==
        ByteVector{0, 1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("a PNG whose pixels are cut into many chunks decodes") {
  ImageScratch scratch;
  const ByteVector data = deflated({0, 10, 20, 30, 0, 40, 50, 60});
  ByteVector file = kPngSignature + png_header(3, 2, 8, 0);
  for (const uint8_t byte : data) file = file + png_chunk("IDAT", {byte});
  file = file + png_chunk("IDAT", {}) + png_chunk("IEND", {});
  CHECK(pixels_of(file, scratch, 3, 2, 1) == ByteVector{10, 20, 30, 40, 50, 60});
}

TEST_CASE("PNM: P5 and P6 hold bytes") {
  ImageScratch scratch;
  CHECK(pixels_of(text_bytes("P5\n# a comment\n2 1\n255\n") + ByteVector{3, 4}, scratch, 2, 1, 1) ==
        ByteVector{3, 4});
  CHECK(pixels_of(text_bytes("P6 1 1 255 ") + ByteVector{3, 4, 5}, scratch, 1, 1, 3) == ByteVector{3, 4, 5});
}

TEST_CASE("PNM: P2 and P3 hold numbers, scaled to 0 .. 255") {
  ImageScratch scratch;
  CHECK(pixels_of(text_bytes("P2 3 1 15 0 7 15\n"), scratch, 3, 1, 1) == ByteVector{0, 119, 255});
  CHECK(pixels_of(text_bytes("P3 1 1 255 1 2 3"), scratch, 1, 1, 3) == ByteVector{1, 2, 3});
}

TEST_CASE("PNM: samples above 255 take two bytes") {
  ImageScratch scratch;
  CHECK(pixels_of(text_bytes("P5 2 1 65535 ") + ByteVector{0xFF, 0xFF, 0x80, 0x80}, scratch, 2, 1, 1) ==
        ByteVector{255, 128});
}

TEST_CASE("PNM: bitmaps are black where they have ones") {
  ImageScratch scratch;
  CHECK(pixels_of(text_bytes("P1 3 1 101"), scratch, 3, 1, 1) == ByteVector{0, 255, 0});
  CHECK(pixels_of(text_bytes("P4 10 1 ") + ByteVector{0b10000000, 0b01000000}, scratch, 10, 1, 1) ==
        ByteVector{0, 255, 255, 255, 255, 255, 255, 255, 255, 0});
}

TEST_CASE("images are recognised by content, not by name") {
  const TemporaryFolder folder;
  write_bytes(folder / "photo.jpg", png(png_header(1, 1, 8, 2), {0, 7, 8, 9}));
  ImageScratch scratch;
  CHECK(load_image(folder / "photo.jpg", scratch).channels == 3);
  CHECK(probe_image(folder / "photo.jpg", scratch).format == std::string("PNG"));
}

TEST_CASE("a probe tells size and channels of every format") {
  const TemporaryFolder folder;
  ImageScratch scratch;
  write_bytes(folder / "a", png(png_header(3, 2, 8, 0), {0, 10, 20, 30, 0, 40, 50, 60}));
  write_bytes(folder / "b", plain_pnm(50, 12, 3, 9));
  const ImageHeader a = probe_image(folder / "a", scratch), b = probe_image(folder / "b", scratch);
  CHECK((a.width == 3 && a.height == 2 && a.grey));
  CHECK((b.width == 50 && b.height == 12 && !b.grey));
  const ImageHeader c = probe_image(fixture_path("images/baseline_420.jpg"), scratch);
  CHECK((c.width == 37 && c.height == 26 && !c.grey));
  CHECK(scratch.used() == 0);
}

TEST_CASE("a header that comes late in the file is found") {
  const TemporaryFolder folder;
  ImageScratch scratch;
  const ByteVector jpeg = fixture_bytes("images/grey.jpg");
  const ByteVector comment(60000, 'x');
  write_bytes(folder / "late.jpg", ByteVector{0xFF, 0xD8} + jpeg_segment(0xFE, comment) +
                                       ByteVector(jpeg.begin() + 2, jpeg.end()));
  CHECK(probe_image(folder / "late.jpg", scratch).width == 37);
  CHECK(load_image(folder / "late.jpg", scratch).width == 37);
}

TEST_CASE("what phones append to a JPEG is ignored") {
  ImageScratch scratch;
  const ByteVector jpeg = fixture_bytes("images/grey.jpg");
  const ByteVector film = be32(24) + text_bytes("ftypmp42and a film");
  for (const ByteVector& trailer : {ByteVector(5, 0), jpeg, film, text_bytes("notes of a camera SEFT")}) {
    CHECK(decode_image(jpeg + trailer, "test", scratch).width == 37);
  }
}

TEST_CASE("decoding allocates nothing once the scratch has grown") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: malloc cannot be counted in this build");
    return;
  }
  const std::vector<std::string> paths{
      fixture_path("images/baseline_420.jpg"), fixture_path("images/progressive.jpg"),
      fixture_path("images/orientation_6.jpg"), fixture_path("images/grey.ppm")};
  const TemporaryFolder folder;
  const std::string palette = folder / "palette.png";
  write_bytes(palette, png(png_header(2, 1, 8, 3), {0, 0, 1}, png_chunk("PLTE", {1, 2, 3, 4, 5, 6})));
  ImageScratch scratch;
  int64_t before = 0;
  for (int round = 0; round < 3; ++round) {
    if (round == 1) before = allocation_count();
    for (const std::string& path : paths) {
      load_image(path, scratch);
      scratch.reset();
    }
    load_image(palette, scratch);
    scratch.reset();
  }
  CHECK(allocation_count() - before == 0);
}

TEST_CASE("decoding a PNG, padded or not, stays within the memory that its header announces") {
  struct Kind {
    int depth, colour, samples, interlace;
    bool transparent;
  };
  const TemporaryFolder folder;
  for (const Kind& kind :
       {Kind{8, 0, 1, 0, false}, Kind{8, 2, 3, 0, false}, Kind{1, 0, 1, 0, false}, Kind{8, 0, 1, 1, false},
        Kind{16, 2, 3, 0, true}, Kind{16, 6, 4, 1, false}, Kind{8, 3, 1, 0, true}}) {
    for (const int padding : {0, 1, 60000, 65536}) {
      CAPTURE(kind.depth);
      CAPTURE(kind.colour);
      CAPTURE(kind.interlace);
      CAPTURE(padding);
      constexpr int kWidth = 16, kHeight = 8;
      ByteVector between;
      if (kind.colour == 3) between = png_chunk("PLTE", ByteVector(768, 9));
      if (kind.transparent) between = between + png_chunk("tRNS", ByteVector(kind.colour == 3 ? 2 : 6, 0));
      // Rows of an interlaced image, by the pixels of its seven passes in a block of 8 x 8.
      const int row_bytes = (kWidth * kind.samples * kind.depth + 7) / 8;
      const int filters = kind.interlace == 1 ? 1 + 1 + 1 + 2 + 2 + 4 + 4 : kHeight;
      const ByteVector rows(static_cast<size_t>(kHeight * row_bytes + filters + padding), 0);
      const ByteVector file =
          png(png_header(kWidth, kHeight, kind.depth, kind.colour, kind.interlace), rows, between);
      ImageScratch scratch, of_decoder;
      const size_t bound = check_png(file, "padded", scratch).header.decoder_bytes;
      stb_decode(file, "padded", of_decoder);
      CHECK(of_decoder.high_water() <= bound);
      write_bytes(folder / "padded.png", file);
      const ImageHeader probed = probe_image(folder / "padded.png", scratch);
      CHECK(of_decoder.high_water() <= probed.decoder_bytes + 2 * probed.file_bytes);
    }
  }
}
