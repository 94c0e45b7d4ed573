#pragma once
// Trained models as users name them, and the data that belong to them.

#include <filesystem>
#include <memory>
#include <string>

#include "data/batch.h"
#include "data/dataset.h"
#include "train/checkpoint.h"

namespace vmoe {

/// The models in a run's folder, the one that MODEL means first.
inline constexpr const char* kModelNames[] = {"best.safetensors", "last.safetensors"};

/// The file that a MODEL on the command line means: itself, or of a run's folder the best model, else the
/// last.
std::string model_path(const std::string& argument);

/// Whether the folder of a run has a model in it; not before its first checkpoint.
bool holds_model(const std::filesystem::path& run);

/// Opens the data set and requires that its classes are the model's, by name and order (InputError naming the
/// first difference).
std::unique_ptr<Dataset> open_dataset_of(const ModelDescription& model, const std::string& path,
                                         const DatasetOptions& options);

/// The images of `split` "test", "train" (without the hold-out) or "holdout", the last two by the split that
/// is stored in the model file.
struct ImageChoice {
  Split split;
  std::vector<int64_t> indices;
};
/// Throws InputError if there are none.
ImageChoice choose_images(const Dataset& dataset, const ModelDescription& model, const std::string& split);

/// Those images, as the model sees them. The data set must outlive them.
EvaluationImages images_of(const Dataset& dataset, const ModelDescription& model, const std::string& split);

}  // namespace vmoe
