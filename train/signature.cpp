#include "train/signature.h"

#include "tensor/hash.h"
#include "train/random_batch.h"
#include "train/schedule.h"
#include "train/step.h"

namespace vmoe {

namespace {

// Plain kernels as long as it lives.
class PlainKernels {
 public:
  PlainKernels() : before_(kernels().name) { use_kernels("plain"); }
  ~PlainKernels() { use_kernels(before_); }

 private:
  std::string before_;
};

ModelConfig tiny_model() {
  ModelConfig config;
  config.vit = {.image_size = 8,
                .channels = 2,
                .patch_size = 4,
                .dim = 16,
                .depth = 2,
                .heads = 2,
                .mlp_dim = 24,
                .pool = Pool::cls,
                .layer_scale = 0.5,
                .classes = 6,
                .dropout = 0.1,
                .drop_path = 0.1};
  config.moe.router = "image";
  config.moe.experts = 3;
  config.moe.top_k = 2;
  config.moe.moe_layers = BlockChoice::last(1);
  config.moe.super_classes = {0, 0, 1, 1, 2, 2};
  return config;
}

// Over the parameters in the order of the list.
std::string hash_of(const ParameterStore& store) {
  Hash hash;
  for (int i = 0; i < store.count(); ++i) {
    for (const real value : store.value({i})) hash.add(static_cast<float>(value));
  }
  return hash.digits();
}

}  // namespace

std::string signature() {
  constexpr int kSteps = 6;
  constexpr int64_t kBatch = 12;
  const PlainKernels plain;
  Model model(tiny_model());
  model.initialise(1);
  Optimizer optimizer(model.parameters(), {.ema_decay = 0.9});
  TrainingStep step(model, optimizer, {.batch_size = kBatch, .lanes = 3, .clip_norm = 1, .seed = 1});
  const RandomBatch batch(model.config().vit, kBatch);
  const Schedule schedule{.peak = 1e-2, .floor = 1e-4, .warmup_steps = 2, .total_steps = kSteps};
  const FillBatch fill = [&](int64_t position, int count, ImageScratch&, real* images, real* targets,
                             int* labels) { batch.fill(position, count, images, targets, labels); };
  for (int i = 0; i < kSteps; ++i) step.run(fill, static_cast<uint32_t>(i), 0, i + 1, schedule.at(i));
  return hash_of(model.parameters());
}

}  // namespace vmoe
