#pragma once
// Properties that every model has, dense or with experts. Used by tests/nn and tests/moe.

#include <cmath>

#include "autograd/ops.h"
#include "tests/nn/model_fixture.h"

namespace vmoe::testing {

/// A model with its parameters drawn, and what it computes. Temporaries of the caller must outlive the check.
struct ModelUnderTest {
  ParameterStore& store;
  VitConfig config;
  ModelGraph graph;
};

constexpr int kImages = 6;

/// Four tokens of width 8, two heads, three classes: small enough for gradient checks of every parameter.
inline VitConfig small_vit(int depth) {
  VitConfig c;
  c.image_size = 8;
  c.channels = 2;
  c.patch_size = 4;
  c.dim = 8;
  c.depth = depth;
  c.heads = 2;
  c.mlp_dim = 12;
  c.classes = 3;
  return c;
}

/// A scalar that depends on every logit of every image, by an op under test elsewhere.
inline Var pseudo_loss(Pass& pass, Var logits) {
  const Shape shape = pass.tape.value(logits).shape;
  const Tensor targets = pass.tape.allocate(shape);
  for (int64_t i = 0; i < targets.count(); ++i) targets[i] = i % shape[1] == i / shape[1] % shape[1] ? 1 : 0;
  return softmax_cross_entropy(pass.tape, logits, targets);
}

inline std::vector<real> run_images(const ModelUnderTest& model, const std::vector<real>& images,
                                    const PassOptions& options = {}) {
  const int64_t size = int64_t{model.config.channels} * model.config.image_size * model.config.image_size;
  const int64_t batch = static_cast<int64_t>(images.size()) / size;
  return run_pass(model.store, model.graph, image_shape(model.config, batch), images.data(), options).logits;
}

/// Numbers of images first .. first + count - 1 of [B, ...] with `each` numbers an image.
inline std::vector<real> slice(const std::vector<real>& numbers, int64_t first, int64_t count, int64_t each) {
  return {numbers.begin() + first * each, numbers.begin() + (first + count) * each};
}

inline void check_permutation(const ModelUnderTest& model) {
  const std::vector<real> images = patterned_images(model.config, kImages);
  const int64_t size = static_cast<int64_t>(images.size()) / kImages, classes = model.config.classes;
  const std::vector<real> logits = run_images(model, images, {.training = false});
  const int order[kImages] = {3, 0, 5, 1, 4, 2};
  std::vector<real> permuted;
  for (const int b : order) {
    const std::vector<real> image = slice(images, b, 1, size);
    permuted.insert(permuted.end(), image.begin(), image.end());
  }
  const std::vector<real> result = run_images(model, permuted, {.training = false});
  for (int b = 0; b < kImages; ++b)
    CHECK(slice(result, b, 1, classes) == slice(logits, order[b], 1, classes));
}

/// Chunks of 1, 2 and 3 images against all six at once, in training (masks are drawn) or not.
inline void check_chunks(const ModelUnderTest& model, bool training) {
  const std::vector<real> images = patterned_images(model.config, kImages);
  const int64_t size = static_cast<int64_t>(images.size()) / kImages;
  const std::vector<real> whole = run_images(model, images, {.training = training, .position = 40});
  for (const int chunk : {1, 2, 3}) {
    std::vector<real> pieced;
    for (int first = 0; first < kImages; first += chunk) {
      const uint32_t position = 40 + static_cast<uint32_t>(first);
      const std::vector<real> part =
          run_images(model, slice(images, first, chunk, size), {.training = training, .position = position});
      pieced.insert(pieced.end(), part.begin(), part.end());
    }
    CHECK(pieced == whole);
  }
}

inline void check_teams(const ModelUnderTest& model) {
  const std::vector<real> images = patterned_images(model.config, kImages);
  const Shape shape = image_shape(model.config, kImages);
  const PassResult alone = run_pass(model.store, model.graph, shape, images.data());
  for (const int threads : {2, 3, 4}) {
    Team team(threads);
    const PassResult shared = run_pass(model.store, model.graph, shape, images.data(), {.team = &team});
    CHECK(shared.logits == alone.logits);
    CHECK(shared.gradients == alone.gradients);
  }
}

inline void check_inference(const ModelUnderTest& model) {
  const std::vector<real> images = patterned_images(model.config, kImages);
  CHECK(run_images(model, images, {.training = false, .record = false}) ==
        run_images(model, images, {.training = false}));
}

/// Bytes of arena that inference of two images takes.
inline size_t inference_memory(const ModelUnderTest& model) {
  Arena arena;
  PackedWeights packed(model.store, kernels(), false);
  packed.pack_all();
  Tape tape(arena, model.store, packed);
  Pass pass{tape};
  std::vector<real> images = patterned_images(model.config, 2);
  model.graph(pass, tape.constant({images.data(), image_shape(model.config, 2)}));
  return arena.high_water();
}

/// Every number of every parameter by central differences, in the double build.
inline void check_gradients_of(const ModelUnderTest& model) {
#ifdef VMOE_F64
  const std::vector<real> images = patterned_images(model.config, 4);
  const Shape shape = image_shape(model.config, 4);
  const auto run = [&] { return run_pass(model.store, model.graph, shape, images.data()); };
  const std::vector<real> analytic = run().gradients;
  constexpr double kStep = 1e-5;
  for (const Parameter& p : model.store.all()) {
    const int64_t every = (p.shape.count() + 99) / 100;  // at most 100 numbers of a parameter
    std::vector<double> got, want;
    for (int64_t i = p.offset; i < p.offset + p.shape.count(); i += every) {
      real& x = model.store.data()[i];
      const real middle = x;
      x = middle + kStep;
      const double above = run().loss;
      x = middle - kStep;
      const double below = run().loss;
      x = middle;
      got.push_back(analytic[i]);
      want.push_back((above - below) / (2 * kStep));
    }
    CHECK_COMPARISON(compare(p.name, std::span<const double>(got), std::span<const double>(want), 1e-6));
  }
#else
  static_cast<void>(model);
  MESSAGE("skipped in float: `make check-f64` runs it in double, where differences are exact enough");
#endif
}

}  // namespace vmoe::testing
