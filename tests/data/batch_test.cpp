// A batch is a pure function of (data, seed, epoch, position).

#include "data/batch.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <thread>

#include "tests/data/files.h"
#include "tests/data/preprocess_of.h"
#include "tests/support/allocation_count.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using namespace vmoe::testing;

namespace {

std::vector<int64_t> all_indices(const Dataset& data) {
  std::vector<int64_t> indices(static_cast<size_t>(data.size(Split::train)));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

Augment everything() {
  Augment augment;
  augment.crop = "resized";
  augment.mixup = 0.8;
  augment.cutmix = 1;
  augment.label_smoothing = 0.1;
  augment.rand_augment_ops = 2;
  augment.random_erasing = 0.5;
  return augment;
}

/// What fill gave for a range of positions.
struct Filled {
  std::vector<real> images, targets;
  std::vector<int> labels;
  bool operator==(const Filled&) const = default;
};

Filled fill(const TrainingBatches& batches, int64_t first, int count, ImageScratch& scratch) {
  const Preprocess& p = batches.preprocess();
  Filled filled;
  filled.images.assign(static_cast<size_t>(count * p.channels * p.image_size * p.image_size), real(-99));
  filled.targets.assign(static_cast<size_t>(count * batches.classes()), real(-99));
  filled.labels.assign(static_cast<size_t>(count), -99);
  batches.fill(first, count, scratch, filled.images.data(), filled.targets.data(), filled.labels.data());
  return filled;
}

void append(Filled& to, const Filled& more) {
  to.images.insert(to.images.end(), more.images.begin(), more.images.end());
  to.targets.insert(to.targets.end(), more.targets.begin(), more.targets.end());
  to.labels.insert(to.labels.end(), more.labels.begin(), more.labels.end());
}

/// Filling in pieces of any sizes, from used and from fresh scratches, gives what one call gives.
void check_purity(const Dataset& data, const Preprocess& p, const Augment& augment) {
  TrainingBatches batches(data, all_indices(data), p, augment, 7);
  batches.start_epoch(3);
  const int count = static_cast<int>(std::min<int64_t>(batches.size(), 41));
  ImageScratch scratch;
  const Filled whole = fill(batches, 0, count, scratch);
  for (const int piece : {1, 2, 3, 5, 8}) {
    CAPTURE(piece);
    Filled parts;
    for (int at = 0; at < count; at += piece)
      append(parts, fill(batches, at, std::min(piece, count - at), scratch));
    CHECK(parts == whole);
  }
  // Another object, another history, the order backwards.
  TrainingBatches again(data, all_indices(data), p, augment, 7);
  again.start_epoch(9);
  again.start_epoch(3);
  for (int at = count - 1; at >= 0; --at) {
    ImageScratch fresh;
    const Filled one = fill(again, at, 1, fresh);
    CHECK(one.labels[0] == whole.labels[static_cast<size_t>(at)]);
    CHECK(std::equal(one.images.begin(), one.images.end(),
                     whole.images.begin() + static_cast<int64_t>(one.images.size()) * at));
  }
}

}  // namespace

TEST_CASE(
    "every image of a chunk is read with an empty scratch, so that a large one gives its turn back at once") {
  class EmptyScratch : public Dataset {
   public:
    EmptyScratch() {
      info_.classes = {"a", "b"};
      labels_[0] = {0, 1, 0, 1, 0, 1};
    }
    ImageView image(Split, int64_t, ImageScratch& scratch) const override {
      empty = empty && scratch.used() == 0;
      (void)scratch.allocate<uint8_t>(4096);
      return {&pixel_, 1, 1, 1};
    }
    std::string name(Split, int64_t) const override { return "a pixel"; }
    mutable bool empty = true;

   private:
    uint8_t pixel_ = 7;
  };
  const EmptyScratch data;
  Augment mixing;
  mixing.mixup = 1;
  const TrainingBatches batches(data, all_indices(data), preprocess_of(4, 1, 0.5, 0.25), mixing, 1);
  ImageScratch scratch;
  fill(batches, 0, 6, scratch);
  CHECK(data.empty);
}

TEST_CASE("batches are pure: no augmentation") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  Augment augment;
  augment.flip = false;
  check_purity(*data, preprocess_of(16, 3, 0.5, 0.25), augment);
}

TEST_CASE("batches are pure: padded crops and flips") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  Augment augment;
  augment.crop = "pad";
  check_purity(*data, preprocess_of(16, 3, 0.5, 0.25), augment);
}

TEST_CASE("batches are pure: mixup") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  Augment augment;
  augment.mixup = 0.4;
  check_purity(*data, preprocess_of(12, 1, 0.5, 0.25), augment);
}

TEST_CASE("batches are pure: everything at once, from files of many sizes") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  check_purity(*open_dataset(folder.path()), preprocess_of(16, 3, 0.5, 0.25), everything());
}

TEST_CASE("batches are pure: many threads at once") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=20,test=1,size=16");
  TrainingBatches batches(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), everything(), 7);
  ImageScratch scratch;
  const Filled whole = fill(batches, 0, 80, scratch);
  std::vector<Filled> parts(8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      ImageScratch own;
      parts[static_cast<size_t>(t)] = fill(batches, 10 * t, 10, own);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Filled joined;
  for (const Filled& part : parts) append(joined, part);
  CHECK(joined == whole);
}

TEST_CASE("seed, epoch and position each change the batch") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  TrainingBatches a(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), everything(), 1);
  TrainingBatches b(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), everything(), 2);
  ImageScratch scratch;
  const Filled first = fill(a, 0, 10, scratch);
  CHECK_FALSE(first == fill(b, 0, 10, scratch));
  CHECK_FALSE(first == fill(a, 10, 10, scratch));
  a.start_epoch(1);
  CHECK_FALSE(first == fill(a, 0, 10, scratch));
  a.start_epoch(0);
  CHECK(first == fill(a, 0, 10, scratch));
}

TEST_CASE("an epoch shows every training image once") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  const std::vector<int64_t> some{3, 5, 8, 13, 21, 34, 40};
  TrainingBatches batches(*data, some, preprocess_of(16, 3, 0.5, 0.25), {}, 1);
  batches.start_epoch(4);
  CHECK(batches.size() == 7);
  std::vector<int64_t> shown;
  for (int64_t i = 0; i < batches.size(); ++i) shown.push_back(batches.image_index(i));
  CHECK(shown != some);
  std::sort(shown.begin(), shown.end());
  CHECK(shown == some);
}

TEST_CASE("both members of a pair are mixed with each other, an odd last one is not") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=11,test=1,size=16");
  const std::vector<int64_t> some{0, 1, 2, 3, 4};
  Augment mixed, unmixed;
  mixed.flip = unmixed.flip = false;
  mixed.mixup = 1;
  TrainingBatches with(*data, some, preprocess_of(16, 3, 0.5, 0.25), mixed, 1),
      without(*data, some, preprocess_of(16, 3, 0.5, 0.25), unmixed, 1);
  ImageScratch scratch;
  const Filled mix = fill(with, 0, 5, scratch), pure = fill(without, 0, 5, scratch);
  CHECK(mix.labels == pure.labels);
  const size_t numbers = 3 * 16 * 16;
  double keep = -1;  // from the first pixel that differs in the pair
  for (size_t i = 0; i < numbers; ++i) {
    const double a = pure.images[i], b = pure.images[numbers + i];
    if (std::fabs(a - b) > 1) keep = (mix.images[i] - b) / (a - b);
  }
  REQUIRE((keep > 0 && keep < 1));
  for (size_t i = 0; i < numbers; ++i) {
    const double a = pure.images[i], b = pure.images[numbers + i];
    CHECK(std::fabs(mix.images[i] - (keep * a + (1 - keep) * b)) <= 1e-4);
    CHECK(std::fabs(mix.images[numbers + i] - (keep * b + (1 - keep) * a)) <= 1e-4);
    CHECK(mix.images[4 * numbers + i] == pure.images[4 * numbers + i]);
  }
  for (int position = 0; position < 5; ++position) {
    const double sum =
        std::accumulate(mix.targets.begin() + position * 4, mix.targets.begin() + position * 4 + 4, 0.0);
    CHECK(std::fabs(sum - 1) <= 1e-6);
  }
  CHECK(std::fabs(mix.targets[static_cast<size_t>(mix.labels[0])] - keep) <= 1e-4);
}

TEST_CASE("flips mirror about half of the images") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=50,test=1,size=16");
  Augment flipping, still;
  still.flip = false;
  TrainingBatches a(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), flipping, 1);
  TrainingBatches b(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), still, 1);
  ImageScratch scratch;
  int mirrored = 0;
  for (int i = 0; i < 200; ++i) {
    const Filled x = fill(a, i, 1, scratch), y = fill(b, i, 1, scratch);
    if (x == y) continue;
    ++mirrored;
    CHECK(x.images[0] == y.images[15]);
  }
  CHECK(std::abs(mirrored - 100) <= 36);  // five standard deviations
}

TEST_CASE("a broken image in the middle of training is an error that names it") {
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  ByteVector jpeg = read_bytes(folder / "train" / "dog" / "a.jpg");
  jpeg.resize(jpeg.size() - 50);  // the header is whole, so opening the data set does not notice
  write_bytes(folder / "train" / "dog" / "a.jpg", jpeg);
  const auto data = open_dataset(folder.path());
  TrainingBatches batches(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), {}, 1);
  ImageScratch scratch;
  const std::string line = error_of<InputError>([&] { fill(batches, 0, 9, scratch); }, "train/dog/a.jpg");
  CHECK(line.find("ends early") != std::string::npos);
  CHECK(scratch.used() == 0);
}

TEST_CASE("evaluation images come in order, all or chosen ones") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=3,test=5,size=16");
  const Preprocess p = preprocess_of(16, 3, 0.5, 0.25);
  EvaluationImages all(*data, Split::test, p), chosen(*data, Split::test, {7, 2}, p);
  CHECK((all.size() == 20 && chosen.size() == 2 && chosen.image_index(1) == 2));
  std::vector<real> images(20 * 768), some(2 * 768);
  std::vector<int> labels(20), some_labels(2);
  ImageScratch scratch;
  all.fill(0, 20, scratch, images.data(), labels.data());
  chosen.fill(0, 2, scratch, some.data(), some_labels.data());
  CHECK(labels == data->labels(Split::test));
  CHECK(std::equal(some.begin(), some.begin() + 768, images.begin() + 7 * 768));
  CHECK(some_labels == std::vector<int>{labels[7], labels[2]});
  all.announce(18, 10);
}

TEST_CASE("a scratch of the size that batches ask for holds every change of an image") {
  const auto data = open_dataset("synthetic:families=2,details=2,train=4,test=1,size=16");
  for (const std::string crop : {"none", "pad", "resized"}) {
    Augment augment = everything();
    augment.crop = crop;
    TrainingBatches batches(*data, all_indices(*data), preprocess_of(224, 1, 0.5, 0.25), augment, 1);
    ImageScratch scratch;
    fill(batches, 0, 16, scratch);
    CHECK(scratch.high_water() <= batches.scratch_bytes());
  }
}

TEST_CASE("filling batches allocates nothing in the steady state, decoding included") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: malloc cannot be counted in this build");
    return;
  }
  const TemporaryFolder folder;
  write_image_folder(folder.path());
  for (const std::string& path : {folder.path().string(), std::string("synthetic:train=2,test=1")}) {
    for (const std::string crop : {"none", "pad", "resized"}) {
      CAPTURE(path);
      CAPTURE(crop);
      const auto data = open_dataset(path);
      Augment augment = everything();
      augment.crop = crop;
      TrainingBatches batches(*data, all_indices(*data), preprocess_of(16, 3, 0.5, 0.25), augment, 1);
      ImageScratch scratch;
      scratch.reserve(batches.scratch_bytes());
      std::vector<real> images(9 * 768), targets(9 * static_cast<size_t>(batches.classes()));
      std::vector<int> labels(9);
      const int64_t before = allocation_count();
      for (uint32_t epoch = 0; epoch < 20; ++epoch) {
        batches.start_epoch(epoch);
        batches.announce(0, 9);
        batches.fill(0, 9, scratch, images.data(), targets.data(), labels.data());
      }
      CHECK(allocation_count() - before == 0);
    }
  }
}
