// Resizing against Pillow's results (tests/fixtures/make_resize.py).

#include "data/resize.h"

#include <fstream>
#include <sstream>

#include "data/decode.h"
#include "tensor/random.h"
#include "tests/data/files.h"
#include "tests/support/fixture.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

struct GoldenCase {
  std::string source, filter, result;
  Box box;
  int width, height;
};

std::vector<GoldenCase> golden_cases(const std::string& filter) {
  std::ifstream file(fixture_path("resize/cases.txt"));
  std::vector<GoldenCase> cases;
  for (GoldenCase c; file >> c.source >> c.filter >> c.box.left >> c.box.top >> c.box.right >> c.box.bottom >>
                     c.width >> c.height >> c.result;) {
    if (c.filter == filter) cases.push_back(c);
  }
  return cases;
}

void check_goldens(const std::string& filter) {
  const auto cases = golden_cases(filter);
  CHECK(cases.size() == 13);
  ImageScratch scratch;
  for (const GoldenCase& c : cases) {
    CAPTURE(c.result);
    const ImageView source = load_image(fixture_path("resize/" + c.source), scratch);
    const ImageView want = load_image(fixture_path("resize/" + c.result), scratch);
    const ImageView got = resize(source, c.box, c.width, c.height, {0, 0, c.width, c.height},
                                 parse_resize_filter(filter), scratch);
    CHECK(largest_difference(got, want) <= 1);  // the promise
    CHECK(largest_difference(got, want) == 0);  // what the same integer arithmetic gives
  }
}

ImageView random_image(int width, int height, int channels, ImageScratch& scratch) {
  Random random(5, Stream::test);
  uint8_t* pixels = scratch.allocate<uint8_t>(int64_t{width} * height * channels);
  for (int64_t i = 0; i < int64_t{width} * height * channels; ++i)
    pixels[i] = static_cast<uint8_t>(random.below(256));
  return {pixels, width, height, channels};
}

}  // namespace

TEST_CASE("bilinear resizing gives Pillow's pixels") {
  check_goldens("bilinear");
}
TEST_CASE("bicubic resizing gives Pillow's pixels") {
  check_goldens("bicubic");
}

TEST_CASE("a window of a resized image is a crop of the whole") {
  ImageScratch scratch;
  const ImageView source = random_image(29, 41, 3, scratch);
  for (const auto filter : {ResizeFilter::bilinear, ResizeFilter::bicubic}) {
    for (const auto& [width, height] : {std::pair{13, 17}, {60, 50}, {29, 20}}) {
      const ImageView whole = resize(source, width, height, filter, scratch);
      const Window window{3, 5, 8, 9};
      const ImageView part = resize(source, Box::whole(source), width, height, window, filter, scratch);
      CHECK(largest_difference(part, crop(whole, window, scratch)) == 0);
    }
  }
}

TEST_CASE("resizing to the same size changes nothing") {
  ImageScratch scratch;
  const ImageView source = random_image(7, 5, 3, scratch);
  CHECK(largest_difference(resize(source, 7, 5, ResizeFilter::bicubic, scratch), source) == 0);
}

TEST_CASE("a constant image stays constant at any size") {
  ImageScratch scratch;
  const ByteVector pixels(11 * 13 * 3, 77);
  const ImageView source{pixels.data(), 11, 13, 3};
  for (const auto filter : {ResizeFilter::bilinear, ResizeFilter::bicubic}) {
    for (const int size : {1, 2, 5, 40}) {
      const ImageView got = resize(source, size, size + 1, filter, scratch);
      for (int64_t i = 0; i < got.bytes(); ++i) CHECK(got.pixels[i] == 77);
    }
  }
}

TEST_CASE("a line of a million pixels is resized in bounded memory") {
  const ByteVector pixels(1000000, 9);
  ImageScratch scratch(size_t{64} << 20);
  // The shorter side, 1, becomes 64: 64 million pixels, of which 64 are wanted.
  const ImageView source{pixels.data(), 1000000, 1, 1};
  const ImageView got =
      resize(source, Box::whole(source), 64000000, 64, {31999968, 0, 64, 64}, ResizeFilter::bicubic, scratch);
  CHECK(got.pixels[0] == 9);
}

TEST_CASE("an unknown resize filter is named") {
  error_of<InputError>([] { parse_resize_filter("nearest"); }, "'nearest'; bilinear and bicubic exist");
}
