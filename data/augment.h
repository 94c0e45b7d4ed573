#pragma once
// Random changes to training images. Every draw is a function of (seed, epoch, position), never of who asks
// when.

#include <string>
#include <utility>
#include <vector>

#include "data/preprocess.h"
#include "tensor/random.h"

namespace vmoe {

struct Augment {
  std::string crop = "none";   // "pad": the resized image with a black border, a random S x S of it;
                               // "resized": a random part of the image, stretched to S x S
  int padding = 4;             // pixels of the border, 0 .. 1024
  double min_scale = 0.25;     // least share of the area that "resized" keeps, (0, 1]
  bool flip = true;            // left to right, with probability 1/2
  double mixup = 0;            // alpha of Beta(alpha, alpha); 0: off
  double cutmix = 0;           // likewise; with both on, each pair draws one of them
  double label_smoothing = 0;  // [0, 1)

  int rand_augment_ops = 0;        // RandAugment's ops on an image, 0 .. 16; 0: off (rand_augment.h)
  int rand_augment_magnitude = 9;  // their strength, 0 .. 30
  double random_erasing = 0;       // probability of a box of noise in an image; 0: off

  bool operator==(const Augment&) const = default;
};

/// Throws UsageError unless every field is in range.
void validate(const Augment& augment);

/// "pad" (torchvision's RandomCrop(S, padding) on the image whose shorter side was resized to S): S x S
/// pixels.
ImageView pad_crop(const ImageView& image, const Preprocess& preprocess, int padding, Random random,
                   ImageScratch& scratch);

/// "resized" (torchvision's RandomResizedCrop): ten tries at a box with an area share in [min_scale, 1] and
/// an aspect ratio in [3/4, 4/3], both drawn as torchvision does; then the largest centred box of such a
/// ratio.
Box random_resized_box(int width, int height, double min_scale, Random random);

/// The image from right to left.
ImageView mirror(const ImageView& image, ImageScratch& scratch);

/// Random erasing: Zhong et al. 2020, arXiv:1708.04896. With this probability, a box of the normalised image
/// [C, S, S] is filled with standard normal noise, drawn for every pixel and channel. The box is
/// torchvision's: ten tries at an area share in [0.02, 0.33] and a ratio of height to width in [0.3, 3.3],
/// uniform in its logarithm; if none is smaller than the image, nothing is erased. The noise is what
/// torchvision calls value="random" and timm, whose recipes have it, mode "pixel".
void erase_randomly(double probability, int channels, int size, Random random, real* image);

/// How the images at positions 2j and 2j + 1 are mixed. Mixup: each becomes `keep` times itself plus
/// 1 - `keep` times its partner. Cutmix: each becomes its partner in the box `replaced`.
struct Mixing {
  enum class Kind { none, mixup, cutmix } kind = Kind::none;
  double keep = 1;    // weight of the image's own label: lambda (mixup), share of pixels that stay (cutmix)
  Window replaced{};  // cutmix: these pixels come from the partner
};

/// Mixup: Zhang et al. 2018, arXiv:1710.09412. CutMix: Yun et al. 2019, arXiv:1905.04899 (a box of area share
/// 1 - lambda around a uniform centre, clipped to the image).
Mixing draw_mixing(const Augment& augment, int size, Random random);

/// image [C, S, S] = mixture of itself and its partner. Both members of a pair are mixed from the unmixed
/// images.
void mix_images(const Mixing& mixing, int channels, int size, const real* partner, real* image);

/// target [N]: 1 - smoothing on the label (split between `label` and `partner_label` as the mixing says),
/// plus smoothing / N everywhere (Szegedy et al. 2016, as PyTorch has it).
void soft_target(const Mixing& mixing, int label, int partner_label, double smoothing, int classes,
                 real* target);

}  // namespace vmoe
