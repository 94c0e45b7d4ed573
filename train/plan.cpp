#include "train/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "moe/layers.h"
#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"
#include "train/division.h"
#include "train/initial_model.h"
#include "train/threads.h"

namespace vmoe {

namespace {

bool images_of_one_size(const DatasetInfo& data) {
  return data.min_width == data.max_width && data.min_height == data.max_height;
}

Augment decide_augment(const TrainOptions& options, const DatasetInfo& data, int image_size) {
  Augment augment = options.augment;
  augment.crop = options.crop != "auto" ? options.crop : images_of_one_size(data) ? "pad" : "resized";
  augment.flip = options.flip.value_or(data.channels == 3);
  if (augment.crop == "pad" && augment.padding == 0) augment.padding = std::max(1, image_size / 8);
  return augment;
}

// About 600,000 images in all: minutes to an hour for the small presets.
int suitable_epochs(int64_t images) {
  return static_cast<int>(std::clamp<int64_t>(600000 / images, 10, 60));
}

int64_t suitable_batch(int64_t images) {
  return std::clamp<int64_t>(images / 40 / 8 * 8, 16, 128);
}

// Without super-classes a router learns from what its gates do.
void warn_of_end_to_end(const MoeConfig& moe, std::vector<std::string>& warnings) {
  if (moe.top_k == 1 && moe.renormalise) {
    warnings.push_back(
        "--top-k 1 with --renormalise: every gate is 1, so that without --super-classes the router learns "
        "nothing from the classifier's loss; leave --renormalise out");
  }
  if (moe.balance_weight == 0) {
    warnings.push_back(
        "--balance-weight 0 without --super-classes: nothing keeps the router from sending all to one "
        "expert");
  }
}

ModelDescription describe_new_model(const TrainOptions& options, const Dataset& dataset,
                                    const Holdout& split) {
  const DatasetInfo& data = dataset.info();
  ModelDescription d;
  ModelFlags flags = options.model;
  SuperClasses division;
  if (!options.super_classes.empty()) {
    division = find_division(options.super_classes, data, flags.experts.value_or(0));
    flags.experts = division.experts;
    if (!flags.balance_weight) flags.balance_weight = 0;
  } else if (flags.router.value_or("none") != "none") {
    if (!flags.experts)
      throw UsageError("--router " + *flags.router + " needs --experts E (or --super-classes)");
  }
  d.config = model_from_flags(flags, data);
  if (division.experts > 0) give_division(d, division);
  d.classes = data.classes;
  d.preprocess.image_size = d.config.vit.image_size;
  d.preprocess.channels = d.config.vit.channels;
  d.preprocess.crop_fraction = images_of_one_size(data) ? 1 : 0.875;
  measure_mean_deviation(dataset, Split::train, split.train, d.preprocess);
  return d;
}

ModelDescription describe_model(const TrainOptions& options, const Dataset& dataset, const Holdout& split,
                                std::vector<std::string>& warnings) {
  ModelDescription d = options.init.empty() ? describe_new_model(options, dataset, split)
                                            : describe_initial_model(options, dataset.info(), warnings);
  if (!d.config.moe.is_dense() && d.config.moe.super_classes.empty())
    warn_of_end_to_end(d.config.moe, warnings);
  d.holdout = options.holdout;
  d.holdout_seed = kSplitSeed;
  validate(d.config, "model");
  return d;
}

nlohmann::ordered_json settings_of(const TrainOptions& options, const RunPlan& plan) {
  nlohmann::ordered_json json;
  json["data"] = options.data;
  json["format"] = options.format;
  json["labels"] = options.labels;
  json["holdout"] = options.holdout;
  json["training_images"] = plan.split.train.size();
  json["model"] = nlohmann::ordered_json::parse(description_to_json(plan.description));
  json["batch-size"] = plan.step.batch_size;
  json["accumulate"] = plan.step.accumulate;
  json["lanes"] = plan.step.lanes;
  json["epochs"] = plan.epochs;
  json["lr"] = plan.schedule.peak;
  json["min-lr"] = plan.schedule.floor;
  json["warmup-steps"] = plan.schedule.warmup_steps;
  json["clip-norm"] = plan.step.clip_norm;
  json["beta1"] = plan.adamw.beta1;
  json["beta2"] = plan.adamw.beta2;
  json["weight-decay"] = plan.adamw.weight_decay;
  json["ema"] = plan.adamw.ema_decay;
  json["crop"] = plan.augment.crop;
  json["crop-padding"] = plan.augment.padding;
  json["min-scale"] = plan.augment.min_scale;
  json["flip"] = plan.augment.flip;
  json["mixup"] = plan.augment.mixup;
  json["cutmix"] = plan.augment.cutmix;
  json["label-smoothing"] = plan.augment.label_smoothing;
  // Not written where off, so that runs made before there was such a setting can be resumed.
  if (plan.augment.rand_augment_ops > 0) {
    json["rand-augment-ops"] = plan.augment.rand_augment_ops;
    json["rand-augment-magnitude"] = plan.augment.rand_augment_magnitude;
  }
  if (plan.augment.random_erasing > 0) json["random-erasing"] = plan.augment.random_erasing;
  json["seed"] = options.seed;
  if (!options.init.empty()) json["init"] = fingerprint_of(options.init);
  // Not "auto", which is something else on another machine.
  json["isa"] = kernels().name;
  json["weight-gradients"] = weight_gradient_name();
  json["precision"] = name_of(plan.step.precision);
  const NarrowKernels* narrow = training_kernels(plan.step.precision);
  json["precision-isa"] = narrow ? narrow->name : "none";
  return nlohmann::ordered_json::parse(  // as a file holds it: a path need not be UTF-8
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace

RunPlan plan_run(const TrainOptions& options) {
  validate(options);
  RunPlan plan;
  plan.dataset = open_dataset(options.data, {.format = options.format, .labels = options.labels});
  const Dataset& dataset = *plan.dataset;
  plan.split = split_holdout(dataset.labels(Split::train), dataset.classes(), options.holdout, kSplitSeed);
  const auto images = static_cast<int64_t>(plan.split.train.size());
  if (images == 0) throw InputError("'" + options.data + "': no image is left to train on");

  plan.description = describe_model(options, dataset, plan.split, plan.warnings);
  plan.augment = decide_augment(options, dataset.info(), plan.description.config.vit.image_size);
  plan.adamw = options.adamw;
  plan.epochs = options.epochs > 0 ? options.epochs : suitable_epochs(images);

  const int64_t wanted = options.batch_size > 0 ? options.batch_size : suitable_batch(images);
  const int64_t batch = std::min(wanted, images) / options.accumulate * options.accumulate;
  if (batch == 0) {
    throw UsageError("--accumulate " + std::to_string(options.accumulate) + ": a batch of " +
                     std::to_string(std::min(wanted, images)) + " images has fewer parts");
  }
  plan.step = {.batch_size = batch,
               .accumulate = options.accumulate,
               .lanes = options.lanes,
               .threads = threads_or_default(options.threads),
               .clip_norm = options.clip_norm,
               .seed = options.seed,
               .precision = find_training_precision(options.precision)};
  plan.steps_per_epoch = images / batch;
  const std::string idle =
      threads_warning(options.threads, plan_lanes(batch / options.accumulate, options.lanes, 1).lanes);
  if (!idle.empty()) plan.warnings.push_back(idle);

  const double warmup =
      options.warmup_epochs >= 0 ? options.warmup_epochs : std::min(5.0, plan.epochs / 20.0);
  plan.schedule = {.peak = options.lr,
                   .floor = options.lowest_lr(),
                   .warmup_steps = std::llround(std::min(warmup, static_cast<double>(plan.epochs)) *
                                                static_cast<double>(plan.steps_per_epoch)),
                   .total_steps = plan.total_steps()};
  plan.settings = settings_of(options, plan);
  return plan;
}

std::string RunPlan::summary() const {
  const ModelSize size = size_of(description.config);
  char model[160];
  std::snprintf(model, sizeof model, "%.2f M parameters (%.2f M active), %.1f MFLOP an image",
                static_cast<double>(size.params) / 1e6, static_cast<double>(size.active_params) / 1e6,
                static_cast<double>(size.flops) / 1e6);
  const std::string mixture = mixture_phrase(description.config);
  const std::string start = settings.contains("init") ? ", trained before" : "";
  return dataset->info().format + ", " + std::to_string(split.train.size()) + " training and " +
         std::to_string(split.holdout.size()) + " hold-out images, " +
         std::to_string(description.classes.size()) + " classes; " + model +
         (mixture.empty() ? "" : ", " + mixture) + start + "; " + std::to_string(epochs) + " epochs of " +
         std::to_string(steps_per_epoch) + " steps of " + std::to_string(step.batch_size) + " images, " +
         std::to_string(step.threads) + " threads" +
         (step.precision == Precision::fp32 ? "" : std::string(", ") + name_of(step.precision));
}

}  // namespace vmoe
