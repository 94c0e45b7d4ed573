#include "train/model_file.h"

#include <numeric>

#include "data/split.h"
#include "tensor/error.h"
#include "train/atomic_file.h"

namespace vmoe {

namespace fs = std::filesystem;

namespace {

// The best model of a run, else its last, else nothing.
fs::path model_in(const fs::path& run) {
  for (const char* name : kModelNames) {
    if (file_exists(run / name)) return run / name;
  }
  return {};
}

}  // namespace

bool holds_model(const fs::path& run) {
  return !model_in(run).empty();
}

std::string model_path(const std::string& argument) {
  std::error_code ignored;
  if (!fs::is_directory(argument, ignored)) return argument;
  if (const fs::path model = model_in(argument); !model.empty()) return model.string();
  throw InputError("'" + argument +
                   "' holds no model; a run's folder has best.safetensors or last.safetensors");
}

std::unique_ptr<Dataset> open_dataset_of(const ModelDescription& model, const std::string& path,
                                         const DatasetOptions& options) {
  auto dataset = open_dataset(path, options);
  require_classes_of(model, dataset->info());
  return dataset;
}

ImageChoice choose_images(const Dataset& dataset, const ModelDescription& model, const std::string& split) {
  if (split == "test") {
    ImageChoice choice{Split::test, std::vector<int64_t>(static_cast<size_t>(dataset.size(Split::test)))};
    std::iota(choice.indices.begin(), choice.indices.end(), 0);
    if (choice.indices.empty()) throw InputError("'" + dataset.info().path + "' has no test images");
    return choice;
  }
  if (split == "holdout" && model.holdout == 0) {
    throw InputError("the model was trained without a hold-out; train it with --holdout 0.1");
  }
  Holdout parts =
      split_holdout(dataset.labels(Split::train), dataset.classes(), model.holdout, model.holdout_seed);
  ImageChoice choice{Split::train, split == "holdout" ? std::move(parts.holdout) : std::move(parts.train)};
  if (choice.indices.empty())
    throw InputError("'" + dataset.info().path + "' has no images for --split " + split);
  return choice;
}

EvaluationImages images_of(const Dataset& dataset, const ModelDescription& model, const std::string& split) {
  ImageChoice choice = choose_images(dataset, model, split);
  return {dataset, choice.split, std::move(choice.indices), model.preprocess};
}

}  // namespace vmoe
