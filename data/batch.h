#pragma once
// Batches: a pure function of (data, seed, epoch, position). Whoever needs the images at some positions fills
// them; it does not matter who does, in what pieces, or on which thread.

#include <cstdint>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/preprocess.h"

namespace vmoe {

/// The training images of one epoch after the other, shuffled and augmented. `position` counts through an
/// epoch. `fill` and `announce` are thread-safe (every thread brings its scratch), `start_epoch` is not.
class TrainingBatches {
 public:
  /// `indices` into the training split. Throws UsageError when augmentation, InputError when preprocessing is
  /// out of range.
  TrainingBatches(const Dataset& dataset, std::vector<int64_t> indices, Preprocess preprocess,
                  Augment augment, uint64_t seed);

  /// Positions of an epoch: the number of images.
  int64_t size() const { return static_cast<int64_t>(indices_.size()); }
  int classes() const { return dataset_.classes(); }
  const Preprocess& preprocess() const { return preprocess_; }

  /// Draws the order of epoch `epoch`, a function of (seed, epoch). Allocates nothing.
  void start_epoch(uint32_t epoch);

  /// Which training image stands at a position.
  int64_t image_index(int64_t position) const { return order_[static_cast<size_t>(position)]; }

  /// Images, soft targets and labels of positions first .. first + count - 1.
  /// images [count, C, S, S], targets [count, N], labels [count] (of the image itself). Positions 2j and 2j +
  /// 1 are mixed with each other when mixup or cutmix is on (an odd last one stays as it is); a pair that is
  /// asked for in two calls is made in both. Allocates nothing but scratch. Throws InputError naming a broken
  /// file.
  void fill(int64_t first, int count, ImageScratch& scratch, real* images, real* targets, int* labels) const;

  /// Tells the kernel that these positions are filled soon.
  void announce(int64_t first, int count) const;

  /// What a scratch should reserve so that `fill` never grows it.
  size_t scratch_bytes() const;

 private:
  void make_image(int64_t position, ImageScratch& scratch, real* image) const;
  void augment_image(const ImageView& source, int64_t position, ImageScratch& scratch, real* image) const;
  Mixing mixing_at(int64_t position) const;
  int label_at(int64_t position) const { return dataset_.label(Split::train, image_index(position)); }

  const Dataset& dataset_;
  std::vector<int64_t> indices_;
  std::vector<int64_t> order_;  // by position
  Preprocess preprocess_;
  Augment augment_;
  uint64_t seed_;
  uint32_t epoch_ = 0;
};

/// Images as evaluation and prediction see them: resized, cropped in the middle, normalised.
class EvaluationImages {
 public:
  /// All images of the split.
  EvaluationImages(const Dataset& dataset, Split split, Preprocess preprocess);
  /// Those at `indices`, in that order.
  EvaluationImages(const Dataset& dataset, Split split, std::vector<int64_t> indices, Preprocess preprocess);

  int64_t size() const { return static_cast<int64_t>(indices_.size()); }
  int64_t image_index(int64_t position) const { return indices_[static_cast<size_t>(position)]; }

  /// images [count, C, S, S], labels [count]. Thread-safe like TrainingBatches::fill.
  void fill(int64_t first, int count, ImageScratch& scratch, real* images, int* labels) const;
  void announce(int64_t first, int count) const;
  size_t scratch_bytes() const;

 private:
  const Dataset& dataset_;
  Split split_;
  std::vector<int64_t> indices_;
  Preprocess preprocess_;
};

}  // namespace vmoe
