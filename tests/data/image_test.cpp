// Scratch memory, and pixels to pixels.

#include "data/image.h"

#include <atomic>
#include <thread>

#include "data/convert.h"
#include "data/decode.h"
#include "data/write_png.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

TEST_CASE("scratch memory that was handed out last can grow in place and be given back") {
  ImageScratch scratch;
  scratch.reserve(1 << 20);
  auto* first = static_cast<uint8_t*>(scratch.try_allocate(100));
  first[99] = 7;
  CHECK(scratch.try_grow(first, 100, 5000) == first);
  scratch.give_back(first);
  CHECK(scratch.used() == 0);
}

TEST_CASE("scratch memory in the middle moves when it grows") {
  ImageScratch scratch;
  auto* first = static_cast<uint8_t*>(scratch.try_allocate(100));
  first[99] = 7;
  scratch.try_allocate(1);
  auto* grown = static_cast<uint8_t*>(scratch.try_grow(first, 100, 5000));
  CHECK(grown != first);
  CHECK(grown[99] == 7);
}

TEST_CASE("scratch memory ends at its budget") {
  ImageScratch scratch(size_t{1} << 20);
  CHECK(scratch.try_allocate(size_t{2} << 20) == nullptr);
  CHECK(scratch.try_allocate(~size_t{0}) == nullptr);
  error_of<BudgetError>([&] { scratch.allocate_bytes(size_t{2} << 20); }, "more than 1 MiB");
  CHECK(scratch.try_allocate(1000) != nullptr);
}

TEST_CASE("a frame forgets what was handed out in it") {
  ImageScratch scratch;
  scratch.allocate_bytes(1000);
  const size_t before = scratch.used();
  {
    ImageScratch::Frame frame(scratch);
    scratch.allocate_bytes(100000);
  }
  CHECK(scratch.used() == before);
}

TEST_CASE("large images take turns, however many threads there are") {
  std::atomic<int> holders{0};
  std::atomic<bool> together{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ImageScratch scratch;
      for (int round = 0; round < 20; ++round) {
        ImageScratch::Frame frame(scratch);
        scratch.allocate_bytes(ImageScratch::kOwnBytes + 1);
        if (++holders > 1) together = true;
        std::this_thread::yield();
        --holders;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_FALSE(together);
  ImageScratch scratch;
  scratch.allocate_bytes(ImageScratch::kOwnBytes + 1);
  scratch.reset();
  CHECK(scratch.high_water() > ImageScratch::kOwnBytes);  // though its memory went back
}

TEST_CASE("grey is made from colour by ITU-R 601, as in Pillow") {
  // Pillow: Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0))
  const struct {
    uint8_t rgb[3];
    int grey;
  } cases[] = {
      {{255, 0, 0}, 76}, {{0, 255, 0}, 150}, {{0, 0, 255}, 29}, {{255, 255, 255}, 255}, {{12, 200, 99}, 132}};
  for (const auto& c : cases) CHECK(luma(c.rgb) == c.grey);
}

TEST_CASE("colour is made from grey by repetition") {
  ImageScratch scratch;
  const uint8_t grey[] = {5, 9};
  const ImageView colour = to_channels({grey, 2, 1, 1}, 3, scratch);
  CHECK(ByteVector(colour.pixels, colour.pixels + 6) == ByteVector{5, 5, 5, 9, 9, 9});
  CHECK(to_channels(colour, 3, scratch).pixels == colour.pixels);
}

TEST_CASE("orientations turn and mirror as EXIF defines them") {
  ImageScratch scratch;
  const uint8_t stored[] = {1, 2, 3, 4, 5, 6};  // 1 2 3 over 4 5 6
  const ImageView image{stored, 3, 2, 1};
  const ByteVector expected[] = {{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1},
                                 {4, 5, 6, 1, 2, 3}, {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3},
                                 {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const ImageView upright = make_upright(image, orientation, scratch);
    CHECK(upright.width == (orientation < 5 ? 3 : 2));
    CHECK(ByteVector(upright.pixels, upright.pixels + 6) == expected[orientation - 1]);
  }
}

TEST_CASE("a written PNG reads back as it was") {
  const TemporaryFolder folder;
  ImageScratch scratch;
  ByteVector pixels;
  for (int i = 0; i < 5 * 4 * 3; ++i) pixels.push_back(static_cast<uint8_t>(i * 37));
  for (const int channels : {1, 3}) {
    const ImageView image{pixels.data(), 5, 4, channels};
    write_png(folder / "out.png", image);
    CHECK(largest_difference(load_image(folder / "out.png", scratch), image) == 0);
  }
  error_of<IoError>(
      [&] {
        write_png(folder / "none" / "out.png", {pixels.data(), 1, 1, 3});
      },
      "cannot write");
}
