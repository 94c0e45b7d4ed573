#include "train/options.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "nn/presets.h"
#include "train/settings.h"
#include "train/suggest.h"

namespace vmoe {

namespace {

template <class Enum>
void set_by_name(Enum& value, const std::optional<std::string>& name, const char* flag,
                 std::initializer_list<Enum> values) {
  if (!name) return;
  std::string known;
  for (const Enum candidate : values) {
    if (*name == name_of(candidate)) {
      value = candidate;
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(name_of(candidate));
  }
  throw UsageError(std::string(flag) + " '" + *name + "' is unknown; there are " + known);
}

template <class T>
void set(T& value, const std::optional<T>& flag) {
  if (flag) value = *flag;
}

std::string number_text(double value) {
  char shown[32];
  std::snprintf(shown, sizeof shown, "%.15g", value);
  return shown;
}

/// The first flag of a mixture, as a user gave it ("--top-k 5"); empty if there is none.
std::string first_of_mixture(const ModelFlags& f) {
  const auto number = [](const char* name, double value) { return name + number_text(value); };
  const auto toggle = [](const std::string& name, bool on) { return (on ? "--" : "--no-") + name; };
  if (f.experts) return number("--experts ", *f.experts);
  if (f.top_k) return number("--top-k ", *f.top_k);
  if (f.moe_layers) return "--moe-layers " + *f.moe_layers;
  if (f.router_pool) return "--router-pool " + *f.router_pool;
  if (f.renormalise) return toggle("renormalise", *f.renormalise);
  if (f.shared_expert) return toggle("shared-expert", *f.shared_expert);
  if (f.balance_weight) return number("--balance-weight ", *f.balance_weight);
  if (f.router_weight) return number("--router-weight ", *f.router_weight);
  return "";
}

/// A dense model has no mixture for flags to change. Where the router is said to be none, though, this is
/// what turns off the flags that a recipe or a study shares with mixtures: all but E, which is a mixture's
/// own.
void require_no_mixture(const ModelFlags& flags, const std::string& advice) {
  if (flags.router && !flags.experts) return;
  const std::string flag = first_of_mixture(flags);
  if (!flag.empty()) throw UsageError(flag + " needs a router: " + advice);
}

/// `advice`: how to come by a router.
MoeConfig apply(const ModelFlags& flags, MoeConfig moe, const std::string& advice = "add --router image") {
  set(moe.router, flags.router);
  if (moe.is_dense()) {
    require_no_mixture(flags, advice);
    return {};
  }
  set(moe.experts, flags.experts);
  set(moe.top_k, flags.top_k);
  if (flags.moe_layers) moe.moe_layers = parse_block_choice(*flags.moe_layers);
  if (flags.router_pool) moe.router_pool = *flags.router_pool == "cls" ? RouterPool::cls : RouterPool::mean;
  set(moe.renormalise, flags.renormalise);
  set(moe.shared_expert, flags.shared_expert);
  set(moe.super_class_weight, flags.router_weight);
  set(moe.balance_weight, flags.balance_weight);
  return moe;
}

ModelConfig apply(const ModelFlags& flags, ModelConfig config,
                  const std::string& advice = "add --router image") {
  VitConfig& vit = config.vit;
  set(vit.image_size, flags.image_size);
  set(vit.patch_size, flags.patch_size);
  set(vit.channels, flags.channels);
  set(vit.dim, flags.dim);
  set(vit.depth, flags.depth);
  set(vit.heads, flags.heads);
  set(vit.mlp_dim, flags.mlp_dim);
  set(vit.classes, flags.classes);
  set(vit.conv_layers, flags.conv_layers);
  set(vit.layer_scale, flags.layer_scale);
  set(vit.norm_eps, flags.norm_eps);
  set(vit.dropout, flags.dropout);
  set(vit.drop_path, flags.drop_path);
  set(vit.fc_norm, flags.fc_norm);
  set_by_name(vit.pool, flags.pool, "--pool", {Pool::cls, Pool::mean, Pool::seq});
  set_by_name(vit.positions, flags.positions, "--positions",
              {Positions::learned, Positions::sincos, Positions::none});
  set_by_name(vit.tokenizer, flags.tokenizer, "--tokenizer", {TokenizerKind::patch, TokenizerKind::conv});
  set_by_name(vit.activation, flags.activation, "--activation", {Activation::gelu, Activation::gelu_tanh});
  config.moe = apply(flags, config.moe, advice);
  return config;
}

// Without --experts a new mixture has none, which its validation complains about.
ModelConfig new_model(const VitConfig& vit) {
  ModelConfig config{vit, {}};
  config.moe.experts = 0;
  config.moe.balance_weight = kBalanceWeight;
  return config;
}

// The preset for images of this size: small enough to train on a CPU in minutes to hours.
std::string suitable_preset(const DatasetInfo& data) {
  const int side = std::max(data.max_width, data.max_height);
  if (side > 96) return "vit_tiny_patch32_224";
  return data.channels == 1 ? "fashion64" : "cifar128";
}

// Images of one size, not larger than the preset's, keep their size (up to a whole number of patches).
int suitable_image_size(const VitConfig& preset, const DatasetInfo& data, int patch) {
  const int side = std::max(data.max_width, data.max_height);
  const bool uniform = data.min_width == data.max_width && data.min_height == data.max_height;
  if (!uniform || side > preset.image_size) return preset.image_size;
  return preset.tokenizer == TokenizerKind::conv ? side : (side + patch - 1) / patch * patch;
}

VitConfig preset_for(const ModelFlags& flags, const DatasetInfo& data) {
  VitConfig vit = find_preset(flags.model.empty() ? suitable_preset(data) : flags.model).config;
  const int patch = flags.patch_size.value_or(vit.patch_size);
  if (patch >= 1) vit.image_size = suitable_image_size(vit, data, patch);
  vit.channels = data.channels;
  vit.classes = static_cast<int>(data.classes.size());
  return vit;
}

// "WHERE has dim 128, but the flags say 64; ...": the first difference.
std::string contradiction(const ModelConfig& file, const ModelConfig& asked, const std::string& where) {
  const auto d = first_difference(to_json(file), to_json(asked));
  if (!d) return where + " has another model than the flags say; leave the model's flags out";
  return where + " has " + d->name.substr(d->name.rfind('/') + 1) + " " + d->before + ", but the flags say " +
         d->now + "; the model comes from that file, so leave its flags and --model out";
}

void require(bool holds, const std::string& flag, double value, const std::string& right) {
  if (holds) return;
  throw UsageError("--" + flag + " " + number_text(value) + ": must be " + right);
}

}  // namespace

ModelConfig model_from_flags(const ModelFlags& flags) {
  if (flags.router.value_or("none") != "none" && !flags.experts)
    throw UsageError("--router " + *flags.router + " needs --experts E");
  const VitConfig preset = find_preset(flags.model.empty() ? "cifar128" : flags.model).config;
  const ModelConfig config = apply(flags, new_model(preset));
  validate(config, "model");
  return config;
}

ModelConfig model_from_flags(const ModelFlags& flags, const DatasetInfo& data) {
  const ModelConfig config = apply(flags, new_model(preset_for(flags, data)));
  if (config.vit.classes != static_cast<int>(data.classes.size())) {
    throw UsageError("--classes " + std::to_string(config.vit.classes) + ": the data set has " +
                     std::to_string(data.classes.size()) + " classes; leave the flag out");
  }
  if (config.vit.channels != 1 && config.vit.channels != 3) {
    throw UsageError("--channels " + std::to_string(config.vit.channels) +
                     ": images have 1 (grey) or 3 (colour); leave the flag out");
  }
  if (config.vit.image_size > kLargestImageSize) {
    throw UsageError("--image-size " + std::to_string(config.vit.image_size) +
                     ": images are resized to at most " + std::to_string(kLargestImageSize) + " pixels");
  }
  validate(config, "model");
  return config;
}

ModelConfig model_from_flags(const ModelFlags& flags, const DatasetInfo& data, const ModelConfig& file,
                             const std::string& where) {
  ModelConfig start = file;
  if (!flags.model.empty()) start.vit = preset_for(flags, data);
  start.vit.dropout = file.vit.dropout;
  start.vit.drop_path = file.vit.drop_path;
  const ModelConfig config =
      apply(flags, start, where + " has none; vmoe upcycle makes a mixture of a dense model");
  ModelConfig open = file;  // with what the weights leave open as the flags say
  open.vit.dropout = config.vit.dropout;
  open.vit.drop_path = config.vit.drop_path;
  open.moe.super_class_weight = config.moe.super_class_weight;
  open.moe.balance_weight = config.moe.balance_weight;
  if (config != open) throw UsageError(contradiction(open, config, where));
  validate(config, "model");
  return config;
}

MoeConfig mixture_from_flags(const ModelFlags& flags) {
  return apply(flags, new_model({}).moe);
}

// Comparisons are written so that NaN fails.
void validate(const TrainOptions& o) {
  constexpr double kMost = 1e9;
  require(o.batch_size >= 0 && o.batch_size <= (1 << 20), "batch-size", static_cast<double>(o.batch_size),
          "1 to 1048576 (0: suits the data)");
  require(o.accumulate >= 1 && o.accumulate <= 4096, "accumulate", o.accumulate, "1 to 4096");
  require(o.epochs >= 0 && o.epochs <= 100000, "epochs", o.epochs, "1 to 100000 (0: suits the data)");
  require(o.lr > 0 && o.lr <= 100, "lr", o.lr, "a number above 0 and at most 100");
  require(o.lowest_lr() >= 0 && o.lowest_lr() <= o.lr, "min-lr", o.lowest_lr(), "from 0 to --lr");
  require(o.warmup_epochs == -1 || (o.warmup_epochs >= 0 && o.warmup_epochs <= kMost), "warmup-epochs",
          o.warmup_epochs, "0 to 1e9");
  require(o.clip_norm >= 0 && o.clip_norm <= kMost, "clip-norm", o.clip_norm, "0 (never clip) to 1e9");
  require(o.adamw.weight_decay >= 0 && o.adamw.weight_decay <= 100, "weight-decay", o.adamw.weight_decay,
          "0 to 100");
  require(o.adamw.beta1 >= 0 && o.adamw.beta1 < 1, "beta1", o.adamw.beta1, "in [0, 1)");
  require(o.adamw.beta2 >= 0 && o.adamw.beta2 < 1, "beta2", o.adamw.beta2, "in [0, 1)");
  require(o.adamw.ema_decay >= 0 && o.adamw.ema_decay < 1, "ema", o.adamw.ema_decay,
          "in [0, 1); 0: no average");
  const Augment& a = o.augment;
  require(a.padding >= 0 && a.padding <= 1024, "crop-padding", a.padding,
          "1 to 1024 (0: an eighth of the image)");
  require(a.min_scale > 0 && a.min_scale <= 1, "min-scale", a.min_scale, "above 0 and at most 1");
  require(a.mixup >= 0 && a.mixup <= 100, "mixup", a.mixup, "0 (off) to 100");
  require(a.cutmix >= 0 && a.cutmix <= 100, "cutmix", a.cutmix, "0 (off) to 100");
  require(a.label_smoothing >= 0 && a.label_smoothing < 1, "label-smoothing", a.label_smoothing, "in [0, 1)");
  validate(a);
  require(o.holdout >= 0 && o.holdout <= 0.9, "holdout", o.holdout, "from 0 to 0.9");
  require(o.lanes >= 1 && o.lanes <= 4096, "lanes", o.lanes, "1 to 4096");
  require(o.threads >= 0 && o.threads <= 1024, "threads", o.threads, "1 to 1024 (0: one per core)");
  require(o.max_steps >= 0, "max-steps", static_cast<double>(o.max_steps), "1 or more (0: never stop early)");
  require(o.save_every >= 0 && o.save_every <= kMost, "save-every", o.save_every, "seconds, 0 to 1e9");
  const double router_weight = o.model.router_weight.value_or(0);
  require(router_weight >= 0 && router_weight <= 1e6, "router-weight", router_weight, "0 to 1e6");
  if (o.resume && o.overwrite)
    throw UsageError("--resume and --overwrite contradict each other; give one of them");
  const std::string router = o.model.router.value_or(o.init.empty() ? "none" : "image");
  if (!o.super_classes.empty() && router != "image") {
    throw UsageError("--super-classes " + o.super_classes +
                     (router == "none" ? " needs a router: add --router image"
                                       : " label images: they go with --router image, not with " + router));
  }
}

}  // namespace vmoe
