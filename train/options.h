#pragma once
// What a training run is asked to do, and what that becomes once the data is known.

#include <algorithm>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "data/augment.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "moe/config.h"
#include "moe/super_classes.h"
#include "train/optimizer.h"

namespace vmoe {

/// Model flags of the command line or a recipe: a preset, and what differs from it.
struct ModelFlags {
  std::string model;  // preset; empty: one that suits the data
  std::optional<int> image_size, patch_size, channels, dim, depth, heads, mlp_dim, classes, conv_layers;
  std::optional<std::string> pool, positions, tokenizer, activation;
  std::optional<double> layer_scale, norm_eps, dropout, drop_path;
  std::optional<bool> fc_norm;
  // Of the mixture; what is left out is MoeConfig's default, or that of the model that a run starts from.
  std::optional<std::string> router;  // "none", or a name from moe/routers/table.h
  std::optional<int> experts;         // E; needed with a router (unless super-classes say it)
  std::optional<int> top_k;
  std::optional<std::string> moe_layers;
  std::optional<double> router_weight;     // of the router's cross entropy
  std::optional<std::string> router_pool;  // "mean", "cls"
  std::optional<bool> renormalise, shared_expert;
  std::optional<double>
      balance_weight;  // of the balance loss; unset: kBalanceWeight, or 0 with super-classes
};

/// What Switch Transformers take (Fedus et al. 2021: alpha = 0.01). Super-classes fix the load, and need
/// none.
inline constexpr double kBalanceWeight = 0.01;

/// The preset with the flags' changes. Throws UsageError for an unknown preset or value, for sizes that
/// cannot work, and for a flag of the mixture where there is no router (where it is said to be "none", all
/// but --experts are passed over: a recipe or a study shares them with mixtures). Without data the preset's
/// own image size, channels and classes stand.
ModelConfig model_from_flags(const ModelFlags& flags);
/// The same for a data set: image size, channels and classes follow it unless a flag says otherwise.
ModelConfig model_from_flags(const ModelFlags& flags, const DatasetInfo& data);
/// The model of a file, with those of the flags that its weights leave open: dropout, drop path, the weights
/// of the router's losses. Throws UsageError "WHERE: ..." for a flag (or a preset) that contradicts the file.
ModelConfig model_from_flags(const ModelFlags& flags, const DatasetInfo& data, const ModelConfig& file,
                             const std::string& where);
/// The mixture that the flags ask for. Throws UsageError for a value that is none.
MoeConfig mixture_from_flags(const ModelFlags& flags);

struct TrainOptions {
  std::string data;  // path or "synthetic"
  std::string format = "auto";
  std::string labels = "fine";  // CIFAR-100: fine | coarse
  ModelFlags model;
  std::string super_classes;  // file of `vmoe superclass`, or "coarse"; empty: none
  std::string init;           // model file whose weights the run starts from; empty: it draws them
  int64_t batch_size = 0;     // 0: suits the data, as for epochs
  int accumulate = 1;
  int epochs = 0;
  double lr = 1e-3;
  std::optional<double> min_lr;  // unset: 1e-5, or lr if that is less
  double warmup_epochs = -1;     // -1: a twentieth of the run, at most 5 epochs
  double clip_norm = 1;
  AdamWConfig adamw;
  std::string crop = "auto";  // overrides augment.crop: "pad" for images of one size, else "resized"
  std::optional<bool> flip;   // overrides augment.flip; unset: colour images only (a mirrored 2 is no digit)
  Augment augment = {.padding = 0};  // padding 0: an eighth of the image
  double holdout = 0.1;              // share of the training set that chooses the best epoch
  uint64_t seed = 0;
  int lanes = 16;
  std::string precision = "fp32";  // of the layers' products: fp32 | bf16 | auto
  // --- these may differ when a run is resumed ---
  int threads = 0;         // 0: one per core
  int64_t max_steps = 0;   // stop after this many updates in all; 0: never early
  double save_every = 60;  // seconds between checkpoints (and one after every epoch)
  std::string output;      // folder; empty: runs/NAME
  bool resume = false;
  bool overwrite = false;

  double lowest_lr() const { return min_lr.value_or(std::min(1e-5, lr)); }
};

/// Checks everything that needs no data. Throws UsageError naming the flag, its value and what would be
/// right.
void validate(const TrainOptions& options);

/// Seed of the hold-out's split: fixed, so that runs with different seeds are judged on the same images.
constexpr uint64_t kSplitSeed = 0;

}  // namespace vmoe
