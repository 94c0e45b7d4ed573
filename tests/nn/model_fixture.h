#pragma once
// Whole models under test: the parameters and images of tests/fixtures/make_vit.py, one pass through a model,
// and the comparison with PyTorch's values. Used by tests/nn and tests/moe.

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "nn/config.h"
#include "nn/pass.h"
#include "tensor/kernels/kernels.h"
#include "tests/support/compare.h"
#include "tests/support/fixture.h"

namespace vmoe::testing {

/// Numbers in [-1, 1) with 20 bits, as `pattern` in make_vit.py makes them.
inline std::vector<real> pattern(const std::string& name, int64_t count) {
  uint32_t seed = 2166136261u;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 16777619u;
  std::vector<real> numbers;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t x = seed + 0x9E3779B9u * (i + 1);
    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    numbers.push_back(static_cast<real>((x ^ x >> 16) >> 12) / 524288 - 1);
  }
  return numbers;
}

inline void fill_with_pattern(ParameterStore& store) {
  for (int i = 0; i < store.count(); ++i) {
    const Parameter& parameter = store[{i}];
    const bool norm_weight = parameter.role == Role::norm && parameter.name.ends_with(".weight");
    const std::vector<real> numbers = pattern(parameter.name, parameter.shape.count());
    const Tensor value = store.value({i});
    for (size_t n = 0; n < numbers.size(); ++n) value[n] = numbers[n] / 4 + (norm_weight ? 1 : 0);
  }
}

/// Images around -1.5, -0.5, 0.5, ... [batch, C, S, S]
inline std::vector<real> patterned_images(const VitConfig& config, int batch) {
  const int64_t size = int64_t{config.channels} * config.image_size * config.image_size;
  std::vector<real> numbers = pattern("images", batch * size);
  for (int64_t i = 0; i < batch * size; ++i) numbers[i] += static_cast<real>(i / size) - real{1.5};
  return numbers;
}

inline Shape image_shape(const VitConfig& config, int64_t batch) {
  return {batch, config.channels, config.image_size, config.image_size};
}

/// What a model computes from a chunk of images: its logits, and a loss to differentiate.
struct Outputs {
  Var logits;
  Var loss;
};
using ModelGraph = std::function<Outputs(Pass& pass, Var images)>;

/// Forward and backward of one chunk, with gradients in the store's layout.
struct PassResult {
  std::vector<real> logits;
  double loss = 0;
  std::vector<real> gradients;
};

/// How a chunk is run. `batch` images of `images` [batch, C, S, S] start at place `position` of the epoch.
struct PassOptions {
  bool training = true;
  bool record = true;  // false: a tape that only computes
  uint32_t position = 0;
  Team* team = &Team::alone();
};

inline PassResult run_pass(ParameterStore& store, const ModelGraph& model, const Shape& shape,
                           const real* images, const PassOptions& options = {}) {
  Arena arena;
  PackedWeights packed(store, kernels(), options.record);
  packed.pack_all();
  Gradients gradients(store, 1 << 16);
  Tape recording(arena, store, packed, gradients), computing(arena, store, packed);
  Tape& tape = options.record ? recording : computing;
  tape.set_team(*options.team);
  PassResult result;
  options.team->lead([&] {
    Pass pass{tape, options.training, 11, 3, options.position};
    const Outputs out = model(pass, tape.constant({const_cast<real*>(images), shape}));
    const Tensor logits = tape.value(out.logits);
    result.logits.assign(logits.begin(), logits.end());
    if (!options.record) return;
    result.loss = tape.value(out.loss)[0];
    tape.backward(out.loss);
    BatchGradient total(store);
    gradients.add_to(total);
    total.complete();
    result.gradients.assign(total.data(), total.data() + store.size());
  });
  return result;
}

// --- golden values ---

inline std::vector<real> every_nth(Tensor values, size_t stored) {
  const int64_t every = (values.count() + 399) / 400;  // LONGEST of make_vit.py
  std::vector<real> picked;
  for (int64_t i = 0; i < values.count(); i += every) picked.push_back(values[i]);
  REQUIRE(picked.size() == stored);
  return picked;
}

/// Compares every tensor of `block` (in the store's layout) with the fixture's object of that name.
inline void check_tensors(const nlohmann::json& want, ParameterStore& store, real* block, double tolerance) {
  REQUIRE(want.size() == static_cast<size_t>(store.count()));
  for (const auto& item : want.items()) {
    const ParamId id = store.find(item.key());
    REQUIRE_MESSAGE(id, item.key());
    const std::vector<real> got = every_nth(store.view(id, block), item.value().size());
    CHECK_COMPARISON(
        compare(item.key(), std::span<const real>(got), numbers<double>(item.value()), tolerance));
  }
}

inline AdamWStep adamw_step(const nlohmann::json& settings, int step, bool decay) {
  AdamWStep s{};
  s.lr = settings["lr"].get<real>();
  s.beta1 = settings["beta1"].get<real>();
  s.beta2 = settings["beta2"].get<real>();
  s.epsilon = settings["epsilon"].get<real>();
  s.weight_decay = decay ? settings["weight_decay"].get<real>() : 0;
  s.correction1 = s.correction2 = 1;
  double power1 = 1, power2 = 1;
  for (int i = 0; i < step; ++i) {
    power1 *= settings["beta1"].get<double>();
    power2 *= settings["beta2"].get<double>();
  }
  s.correction1 = static_cast<real>(1 - power1);
  s.correction2 = static_cast<real>(1 - power2);
  s.gradient_scale = 1;
  return s;
}

/// The fixture's targets [B, N].
inline std::vector<real> fixture_targets(const nlohmann::json& fixture) {
  std::vector<real> targets;
  for (const auto& row : fixture["targets"]) {
    for (const auto& t : row) targets.push_back(t.get<real>());
  }
  return targets;
}

/// Logits, loss, every gradient, and every parameter after three AdamW steps, against PyTorch's. The stored
/// numbers have ten digits; in float the error is that of rounding, of numbers of order 1 through a few
/// hundred operations.
inline void check_golden(const nlohmann::json& fixture, const VitConfig& config, ParameterStore& store,
                         const ModelGraph& model) {
  const double tolerance = std::max(256 * kEpsilon, 1e-9);
  const int batch = fixture["batch"].get<int>();
  const std::vector<real> images = patterned_images(config, batch);
  fill_with_pattern(store);
  std::vector<real> m(store.size(), 0), v(store.size(), 0);
  for (int step = 1; step <= 3; ++step) {
    PassResult result = run_pass(store, model, image_shape(config, batch), images.data());
    const double loss = fixture["losses"][step - 1].get<double>();
    CHECK(std::abs(result.loss - loss) <= tolerance);
    if (step == 1) {
      CHECK_COMPARISON(compare("logits", std::span<const real>(result.logits),
                               numbers<double>(fixture["logits"]), tolerance));
      check_tensors(fixture["gradients"], store, result.gradients.data(), tolerance);
    }
    for (const Parameter& p : store.all()) {
      const AdamWStep settings = adamw_step(fixture["adamw"], step, p.role == Role::weight);
      kernels().adamw(p.shape.count(), settings, result.gradients.data() + p.offset, store.data() + p.offset,
                      m.data() + p.offset, v.data() + p.offset);
    }
  }
  check_tensors(fixture["weights"], store, store.data(), tolerance);
}

}  // namespace vmoe::testing
