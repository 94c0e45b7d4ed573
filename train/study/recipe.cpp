#include "train/study/recipe.h"

#include <algorithm>

#include "moe/strict_json.h"
#include "tensor/error.h"
#include "tensor/hash.h"
#include "tensor/kernels/narrow.h"
#include "train/settings.h"

namespace vmoe {

namespace {

constexpr int64_t kImages = 16;  // of each split, evenly spaced
constexpr size_t kMostBytes = size_t{1} << 20;

void add_image(Hash& hash, const ImageView& image) {
  for (const int size : {image.height, image.width, image.channels}) hash.add(int64_t{size});
  hash.add(image.pixels, static_cast<size_t>(image.height) * image.width * image.channels);
}

std::string text_of(const Record& record) {
  return record.dump(2, ' ', false, Record::error_handler_t::replace);
}

}  // namespace

std::string data_fingerprint(const Dataset& dataset) {
  Hash hash;
  for (const std::string& name : dataset.info().classes) hash.add(name);
  ImageScratch scratch;
  scratch.reserve(dataset.info().largest_scratch);
  for (const Split split : {Split::train, Split::test}) {
    const int64_t size = dataset.size(split), images = std::min(size, kImages);
    hash.add(size);
    for (int64_t i = 0; i < size; ++i) hash.add(int64_t{dataset.label(split, i)});
    for (int64_t i = 0; i < images; ++i) {
      scratch.reset();
      add_image(hash, dataset.image(split, size * i / images, scratch));
    }
  }
  return hash.digits();
}

Record training_recipe(const TrainOptions& o) {
  Record json;
  json["batch-size"] = o.batch_size;
  json["accumulate"] = o.accumulate;
  json["epochs"] = o.epochs;
  json["lr"] = o.lr;
  json["min-lr"] = o.lowest_lr();
  json["warmup-epochs"] = o.warmup_epochs;
  json["clip-norm"] = o.clip_norm;
  json["beta1"] = o.adamw.beta1;
  json["beta2"] = o.adamw.beta2;
  json["weight-decay"] = o.adamw.weight_decay;
  json["ema"] = o.adamw.ema_decay;
  json["holdout"] = o.holdout;
  json["crop"] = o.crop;
  json["crop-padding"] = o.augment.padding;
  json["min-scale"] = o.augment.min_scale;
  json["flip"] = o.flip ? Record(*o.flip) : Record(nullptr);
  json["mixup"] = o.augment.mixup;
  json["cutmix"] = o.augment.cutmix;
  json["label-smoothing"] = o.augment.label_smoothing;
  json["rand-augment-ops"] = o.augment.rand_augment_ops;
  json["rand-augment-magnitude"] = o.augment.rand_augment_magnitude;
  json["random-erasing"] = o.augment.random_erasing;
  json["lanes"] = o.lanes;
  json["precision"] = name_of(find_training_precision(o.precision));  // "auto" differs between machines
  json["max-steps"] = o.max_steps;
  return json;
}

std::string hash_of(const Record& record) {
  Hash hash;
  hash.add(text_of(record));
  return hash.digits();
}

void require_same_recipe(const std::string& file, const Record& now) {
  if (!file_exists(file)) return write_file(file, text_of(now) + "\n");
  const Record then = parse_json(read_file(file, kMostBytes), "'" + file + "'");
  if (!then.is_object()) throw InputError("'" + file + "': not a JSON object");
  if (const auto d = first_difference(then, Record::parse(text_of(now)))) {
    throw UsageError("'" + file + "': the study in this folder has " + d->name + " " + d->before + ", not " +
                     d->now + "; give another --output (--results FILE may be shared)");
  }
}

ArmRecipes::ArmRecipes(const StudyOptions& options, const Dataset& dataset)
    : options_(options),
      info_(dataset.info()),
      data_(data_fingerprint(dataset)),
      chosen_(choose_arms(options.arms, info_)) {
  const auto is_named = [&](const StudyArm& arm) {
    return std::find(options.arms.begin(), options.arms.end(), arm.name) != options.arms.end();
  };
  (void)shared();  // what no arm can have is said without an arm's name
  for (const StudyArm& arm : choose_arms({}, info_)) {
    try {
      hashes_[arm.name] = hash_of(recipe(arm));
      possible_.push_back(arm);
    } catch (const UsageError& error) {
      if (is_named(arm)) throw UsageError("--arms " + arm.name + ": " + error.what());
      if (options.arms.empty()) left_out_.push_back("arm " + arm.name + " is left out: " + error.what());
    }
  }
  std::erase_if(chosen_, [&](const StudyArm& arm) { return !hashes_.contains(arm.name); });
}

Record ArmRecipes::shared() const {
  Record shared;
  shared["data"] = data_;
  shared["model"] = model(mobile_arm("superclass"));
  shared["method"] = name_of(options_.method);
  shared["upcycle"] = options_.upcycle_epochs;
  shared["training"] = training_recipe(options_.train);
  return shared;
}

Record ArmRecipes::recipe(const StudyArm& arm) const {
  Record json;
  json["data"] = data_;
  json["model"] = model(arm);
  json["training"] = training_recipe(options_.train);
  if (arm.router != "none" && options_.upcycle_epochs > 0) json["upcycle"] = options_.upcycle_epochs;
  if (arm.division == ArmDivision::clustered || arm.division == ArmDivision::random) {
    json["method"] = name_of(options_.method);
    json["baseline"] = model(mobile_arm("dense"));
  }
  return json;
}

}  // namespace vmoe
