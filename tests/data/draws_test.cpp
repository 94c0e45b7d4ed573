// What a batch draws at random: every kind of draw is another one by seed, epoch and position. All pictures
// of the set are alike, so the order of an epoch does not show.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

#include "data/batch.h"
#include "data/write_png.h"
#include "tests/data/files.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

constexpr int kSize = 8, kClasses = 8, kImages = 32;

struct AlikePictures {
  TemporaryFolder folder;
  std::unique_ptr<Dataset> data;

  AlikePictures() {
    std::vector<uint8_t> pixels(20 * 20 * 3);
    Random random(31, Stream::test);
    for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random.below(256));
    for (int i = 0; i < kImages; ++i) {
      const auto place = folder / "train" / std::string(1, static_cast<char>('a' + i % kClasses));
      std::filesystem::create_directories(place);
      write_png((place / (std::to_string(i) + ".png")).string(), {pixels.data(), 20, 20, 3});
    }
    data = open_dataset(folder.path());
  }
};

struct Drawn {
  std::vector<std::vector<real>> images, targets;  // by position
  std::vector<int> labels;
};

Drawn draw(const AlikePictures& pictures, const Augment& augment, uint32_t epoch, uint64_t seed = 1) {
  std::vector<int64_t> indices(kImages);
  std::iota(indices.begin(), indices.end(), 0);
  const Preprocess p{.image_size = kSize, .channels = 3, .mean = {.5, .5, .5}, .deviation = {.5, .5, .5}};
  TrainingBatches batches(*pictures.data, indices, p, augment, seed);
  batches.start_epoch(epoch);
  ImageScratch scratch;
  constexpr int kNumbers = 3 * kSize * kSize;
  std::vector<real> images(kImages * kNumbers), targets(kImages * kClasses);
  Drawn drawn;
  drawn.labels.resize(kImages);
  batches.fill(0, kImages, scratch, images.data(), targets.data(), drawn.labels.data());
  for (int i = 0; i < kImages; ++i) {
    drawn.images.emplace_back(images.begin() + i * kNumbers, images.begin() + (i + 1) * kNumbers);
    drawn.targets.emplace_back(targets.begin() + i * kClasses, targets.begin() + (i + 1) * kClasses);
  }
  return drawn;
}

// How many different images there are at the positions of an epoch.
size_t kinds(const Drawn& drawn) {
  return std::set<std::vector<real>>(drawn.images.begin(), drawn.images.end()).size();
}

// The weight of a position's own label where its partner has another one, else 0.
std::vector<real> kept(const Drawn& drawn) {
  std::vector<real> weights;
  for (size_t i = 0; i < kImages; ++i) {
    weights.push_back(drawn.labels[i] == drawn.labels[i ^ 1] ? 0 : drawn.targets[i][drawn.labels[i]]);
  }
  return weights;
}

}  // namespace

TEST_CASE("crops and flips are others at every position, in every epoch and for every seed") {
  const AlikePictures pictures;
  const Augment none{.flip = false}, flip{}, pad{.crop = "pad", .flip = false},
      resized{.crop = "resized", .flip = false};
  CHECK(kinds(draw(pictures, none, 0)) == 1);
  CHECK(kinds(draw(pictures, flip, 0)) == 2);
  CHECK(kinds(draw(pictures, pad, 0)) > kImages / 2);
  CHECK(kinds(draw(pictures, resized, 0)) > kImages / 2);
  for (const Augment& augment : {flip, pad, resized}) {
    CAPTURE(augment.crop);
    const Drawn first = draw(pictures, augment, 0);
    CHECK(draw(pictures, augment, 0).images == first.images);
    CHECK(draw(pictures, augment, 1).images != first.images);
    CHECK(draw(pictures, augment, 0, 2).images != first.images);
  }
}

TEST_CASE("RandAugment and random erasing are others at every position, in every epoch and for every seed") {
  const AlikePictures pictures;
  const Augment changed{.flip = false, .rand_augment_ops = 2}, erased{.flip = false, .random_erasing = 1};
  for (const Augment& augment : {changed, erased}) {
    CAPTURE(augment.random_erasing);
    const Drawn first = draw(pictures, augment, 0);
    CHECK(kinds(first) > kImages / 2);
    CHECK(draw(pictures, augment, 0).images == first.images);
    CHECK(draw(pictures, augment, 1).images != first.images);
    CHECK(draw(pictures, augment, 0, 2).images != first.images);
  }
}

TEST_CASE("RandAugment changes the cropped and mirrored image, and leaves the other draws as they are") {
  const AlikePictures pictures;
  const Augment plain{.crop = "pad", .padding = 2},
      weakest{.crop = "pad", .padding = 2, .rand_augment_ops = 1, .rand_augment_magnitude = 0};
  const Drawn before = draw(pictures, plain, 0), after = draw(pictures, weakest, 0);
  int same = 0;  // nearly all ops change nothing at magnitude 0
  for (int i = 0; i < kImages; ++i) same += before.images[i] == after.images[i];
  CHECK((same > kImages / 2 && same < kImages));
}

TEST_CASE("pairs are mixed by another share at every position, in every epoch and for every seed") {
  const AlikePictures pictures;
  for (const Augment& augment : {Augment{.mixup = 1}, Augment{.cutmix = 1}}) {
    CAPTURE(augment.mixup);
    const std::vector<real> first = kept(draw(pictures, augment, 0));
    CHECK(std::set<real>(first.begin(), first.end()).size() > 6);
    for (const std::vector<real>& other :
         {kept(draw(pictures, augment, 1)), kept(draw(pictures, augment, 0, 2))}) {
      int both = 0, alike = 0;
      for (size_t i = 0; i < kImages; ++i) {
        const bool mixed = first[i] > 0 && first[i] < 1 && other[i] > 0 && other[i] < 1;
        both += mixed;
        alike += mixed && first[i] == other[i];
      }
      CHECK(both >= 8);
      CHECK(alike <= both / 2);  // CutMix has few shares of 8 x 8 pixels
    }
  }
}

TEST_CASE("targets are smoothed, and sum to 1 however labels are mixed") {
  const AlikePictures pictures;
  const double floor = 0.2 / kClasses;
  const Drawn plain = draw(pictures, {.label_smoothing = 0.2}, 0);
  for (size_t i = 0; i < kImages; ++i) {
    for (int n = 0; n < kClasses; ++n) {
      CHECK(std::fabs(plain.targets[i][n] - (floor + (n == plain.labels[i] ? 0.8 : 0))) <= 1e-6);
    }
  }
  for (const Augment& augment :
       {Augment{.mixup = 1, .label_smoothing = 0.2}, Augment{.cutmix = 1, .label_smoothing = 0.2}}) {
    const Drawn mixed = draw(pictures, augment, 0);
    for (const std::vector<real>& target : mixed.targets) {
      CHECK(std::fabs(std::accumulate(target.begin(), target.end(), 0.0) - 1) <= 1e-6);
      CHECK(std::fabs(*std::min_element(target.begin(), target.end()) - floor) <= 1e-6);
    }
  }
}
