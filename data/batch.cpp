#include "data/batch.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "data/convert.h"
#include "data/rand_augment.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

/// Decoded image, resized rows, eight images of the model's size (fitted, in its channels, mirrored, changed
/// by RandAugment twice, and some to spare), taps, and one image as numbers (the partner of a pair).
size_t working_bytes(const Dataset& dataset, const Preprocess& p) {
  const DatasetInfo& info = dataset.info();
  const size_t size = static_cast<size_t>(p.image_size);
  const size_t rows = static_cast<size_t>(info.max_height) + size,
               columns = static_cast<size_t>(info.max_width) + size;
  const size_t taps = 48 * (rows + columns) + 64 * size;
  return info.largest_scratch + 3 * size * (rows + 8 * size) + 2 * taps + 3 * size * size * sizeof(real) +
         (64 << 10);
}

std::vector<int64_t> all_of(const Dataset& dataset, Split split) {
  std::vector<int64_t> indices(static_cast<size_t>(dataset.size(split)));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

}  // namespace

TrainingBatches::TrainingBatches(const Dataset& dataset, std::vector<int64_t> indices, Preprocess preprocess,
                                 Augment augment, uint64_t seed)
    : dataset_(dataset),
      indices_(std::move(indices)),
      order_(indices_),
      preprocess_(std::move(preprocess)),
      augment_(std::move(augment)),
      seed_(seed) {
  validate(preprocess_, "training");
  validate(augment_);
  start_epoch(0);
}

void TrainingBatches::start_epoch(uint32_t epoch) {
  epoch_ = epoch;
  std::copy(indices_.begin(), indices_.end(), order_.begin());
  shuffle(order_.data(), static_cast<uint32_t>(order_.size()), Random(seed_, Stream::shuffle, epoch));
}

void TrainingBatches::make_image(int64_t position, ImageScratch& scratch, real* image) const {
  ImageScratch::Frame frame(scratch);
  const int64_t index = image_index(position);
  naming_image(
      [&] { return dataset_.name(Split::train, index); },
      [&] { augment_image(dataset_.image(Split::train, index, scratch), position, scratch, image); });
}

void TrainingBatches::augment_image(const ImageView& source, int64_t position, ImageScratch& scratch,
                                    real* image) const {
  const auto place = static_cast<uint32_t>(position);
  const Random crop_random(seed_, Stream::crop, epoch_, place);
  ImageView fitted;
  if (augment_.crop == "pad") {
    fitted = pad_crop(source, preprocess_, augment_.padding, crop_random, scratch);
  } else if (augment_.crop == "resized") {
    const int size = preprocess_.image_size;
    fitted = resize(source, random_resized_box(source.width, source.height, augment_.min_scale, crop_random),
                    size, size, {0, 0, size, size}, parse_resize_filter(preprocess_.filter), scratch);
  } else {
    fitted = fit_image(source, preprocess_, scratch);
  }
  fitted = to_channels(fitted, preprocess_.channels, scratch);
  bool flip = augment_.flip && Random(seed_, Stream::flip, epoch_, place).below(2) == 1;
  if (augment_.rand_augment_ops > 0) {
    if (std::exchange(flip, false)) fitted = mirror(fitted, scratch);
    fitted = rand_augment(fitted, augment_.rand_augment_ops, augment_.rand_augment_magnitude,
                          Random(seed_, Stream::rand_augment, epoch_, place), scratch);
  }
  normalise(fitted, preprocess_, flip, image);
  if (augment_.random_erasing > 0) {
    erase_randomly(augment_.random_erasing, preprocess_.channels, preprocess_.image_size,
                   Random(seed_, Stream::erase, epoch_, place), image);
  }
}

Mixing TrainingBatches::mixing_at(int64_t position) const {
  if ((position ^ 1) >= size()) return {};
  return draw_mixing(augment_, preprocess_.image_size,
                     Random(seed_, Stream::mix, epoch_, static_cast<uint32_t>(position / 2)));
}

void TrainingBatches::fill(int64_t first, int count, ImageScratch& scratch, real* images, real* targets,
                           int* labels) const {
  const int channels = preprocess_.channels, size = preprocess_.image_size;
  const int64_t numbers = int64_t{channels} * size * size;
  // From an empty scratch, so that the turn of a large image ends with it.
  for (int i = 0; i < count; ++i) make_image(first + i, scratch, images + i * numbers);
  ImageScratch::Frame frame(scratch);
  real* partner = scratch.allocate<real>(numbers);
  for (int i = 0; i < count; ++i) {
    const int64_t position = first + i, other = position ^ 1;
    real* image = images + i * numbers;
    const Mixing mixing = mixing_at(position);
    labels[i] = label_at(position);
    soft_target(mixing, labels[i], mixing.kind == Mixing::Kind::none ? labels[i] : label_at(other),
                augment_.label_smoothing, classes(), targets + int64_t{i} * classes());
    if (mixing.kind == Mixing::Kind::none) continue;
    const bool second_of_pair = position % 2 == 1 && i > 0;  // then `partner` holds the first, unmixed
    if (position % 2 == 0 && i + 1 < count) {
      std::copy_n(image, numbers, partner);
      mix_images(mixing, channels, size, image + numbers, image);
    } else {
      if (!second_of_pair) make_image(other, scratch, partner);
      mix_images(mixing, channels, size, partner, image);
    }
  }
}

void TrainingBatches::announce(int64_t first, int count) const {
  for (int64_t i = first; i < first + count && i < size(); ++i)
    dataset_.announce(Split::train, image_index(i));
}

size_t TrainingBatches::scratch_bytes() const {
  return working_bytes(dataset_, preprocess_);
}

EvaluationImages::EvaluationImages(const Dataset& dataset, Split split, Preprocess preprocess)
    : EvaluationImages(dataset, split, all_of(dataset, split), std::move(preprocess)) {}

EvaluationImages::EvaluationImages(const Dataset& dataset, Split split, std::vector<int64_t> indices,
                                   Preprocess preprocess)
    : dataset_(dataset), split_(split), indices_(std::move(indices)), preprocess_(std::move(preprocess)) {
  validate(preprocess_, "evaluation");
}

void EvaluationImages::fill(int64_t first, int count, ImageScratch& scratch, real* images,
                            int* labels) const {
  const int64_t numbers = int64_t{preprocess_.channels} * preprocess_.image_size * preprocess_.image_size;
  for (int i = 0; i < count; ++i) {
    ImageScratch::Frame frame(scratch);
    const int64_t index = image_index(first + i);
    naming_image([&] { return dataset_.name(split_, index); },
                 [&] {
                   vmoe::preprocess(dataset_.image(split_, index, scratch), preprocess_, scratch,
                                    images + i * numbers);
                 });
    labels[i] = dataset_.label(split_, index);
  }
}

void EvaluationImages::announce(int64_t first, int count) const {
  for (int64_t i = first; i < first + count && i < size(); ++i) dataset_.announce(split_, image_index(i));
}

size_t EvaluationImages::scratch_bytes() const {
  return working_bytes(dataset_, preprocess_);
}

}  // namespace vmoe
