#include "cli/train_flags.h"

#include <filesystem>

namespace vmoe {
namespace {

void add_optimiser_flags(Flags& flags, TrainOptions& o) {
  flags.group("Optimisation (AdamW)", "warm-up, then half a cosine down to --min-lr");
  flags.add("batch-size", o.batch_size, between(1, 1 << 20), "images between two updates", "suits the data");
  flags.add("epochs", o.epochs, between(1, 100000), "times through the training set; the schedule follows it",
            "suits the data");
  flags.add("lr", o.lr, {.least = 0, .most = 100, .above = true}, "largest learning rate");
  flags.add("min-lr", o.min_lr, between(0, 100), "", "1e-05");
  flags.add("warmup-epochs", o.warmup_epochs, between(0, 1e9), "", "a twentieth, at most 5");
  flags.add("weight-decay", o.adamw.weight_decay, between(0, 100), "");
  flags.add("beta1", o.adamw.beta1, between(0, 0.999999), "");
  flags.add("beta2", o.adamw.beta2, between(0, 0.999999), "");
  flags.add("clip-norm", o.clip_norm, between(0, 1e9), "");
  flags.add("ema", o.adamw.ema_decay, between(0, 0.999999), "");
  flags.add("accumulate", o.accumulate, between(1, 4096), "");
}

void add_augment_flags(Flags& flags, TrainOptions& o) {
  flags.group("Data", "crop, flip (colour images) and what follows change training images");
  add_data_flags(flags, o.format, o.labels);
  flags.add("holdout", o.holdout, between(0, 0.9),
            "share of the training images that chooses the best epoch");
  flags.choice("crop", o.crop, {"auto", "none", "pad", "resized"}, "");
  flags.add("crop-padding", o.augment.padding, between(1, 1024), "", "an eighth of the image");
  flags.add("min-scale", o.augment.min_scale, {.least = 0, .most = 1, .above = true}, "");
  flags.toggle("flip", o.flip, "");
  flags.add("mixup", o.augment.mixup, between(0, 100), "");
  flags.add("cutmix", o.augment.cutmix, between(0, 100), "");
  flags.add("label-smoothing", o.augment.label_smoothing, between(0, 0.99), "");
  flags.add("rand-augment-ops", o.augment.rand_augment_ops, between(0, 16), "");
  flags.add("rand-augment-magnitude", o.augment.rand_augment_magnitude, between(0, 30), "");
  flags.add("random-erasing", o.augment.random_erasing, between(0, 1), "");
}

}  // namespace

void add_shared_training_flags(Flags& flags, TrainOptions& options, const std::string& default_experts) {
  add_optimiser_flags(flags, options);
  add_augment_flags(flags, options);
  add_model_flags(flags, options.model, "suits the data", default_experts);
  flags.add("router-weight", options.model.router_weight, between(0, 1e6), "",
            to_text(MoeConfig{}.super_class_weight));
}

void add_training_flags(Flags& flags, TrainOptions& options) {
  add_shared_training_flags(flags, options, "that of --super-classes");
  flags.text("super-classes", options.super_classes, "FILE|coarse",
             "what experts are for: vmoe superclass's file");
}

void add_run_flags(Flags& flags, TrainOptions& o, Machine& machine, bool& json) {
  flags.group("Run");
  flags.recipe();
  flags.text("output", o.output, "DIR", "folder of the run", "runs/ and the name of recipe, model or data");
  flags.text("init", o.init, "MODEL", "start from its weights (vmoe upcycle); model flags follow it");
  flags.toggle("resume", o.resume, "continue the run in --output; give its own flags again");
  flags.toggle("overwrite", o.overwrite, "replace the run in --output");
  flags.add("seed", o.seed, at_least(0), "of start weights, order and augmentation");
  flags.add("max-steps", o.max_steps, at_least(1), "stop after this many updates in all", "never early");
  flags.add("save-every", o.save_every, at_least(0), "seconds between checkpoints, besides every epoch");
  add_json_flag(flags, json);
  add_machine_flags(flags, machine);
  flags.add("lanes", o.lanes, between(1, 4096), "");  // parts of a batch: they fix the order of sums
  add_training_precision_flag(flags, o.precision);
}

std::string default_output(const TrainOptions& options, const std::string& recipe) {
  namespace fs = std::filesystem;
  if (!recipe.empty()) return (fs::path("runs") / fs::path(recipe).stem()).string();
  if (!options.model.model.empty()) return "runs/" + options.model.model;
  return (fs::path("runs") / name_of_data(options.data)).string();
}

}  // namespace vmoe
