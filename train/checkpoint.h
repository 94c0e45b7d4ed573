#pragma once
// Model files: safetensors whose only metadata key, `vmoe`, describes the model. Nothing of time, host, path
// or threads is in them, so equal runs write equal bytes.

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/preprocess.h"
#include "moe/model.h"

namespace vmoe {

/// Everything but the weights that a model file says.
struct ModelDescription {
  ModelConfig config;
  std::vector<std::string> classes;  // names, config.vit.classes of them
  std::vector<std::string> experts;  // what each expert is for, as one phrase; empty without super-classes
  Preprocess preprocess;
  double holdout = 0;  // share of the training set held out, by the split of `holdout_seed`
  uint64_t holdout_seed = 0;
};

struct LoadedModel {
  ModelDescription description;
  std::unique_ptr<Model> model;
};

/// Writes the weights in `block` (laid out like the store of `model`) and their description, atomically.
void save_model(const std::string& path, const Model& model, const real* block,
                const ModelDescription& description);

/// Reads and validates a model file whole. Throws InputError naming file and tensor or key for everything
/// that does not fit, IoError if it cannot be read.
LoadedModel load_model(const std::string& path);

/// The description alone, of a file that is otherwise as `load_model` wants it up to the tensors' sizes.
ModelDescription load_description(const std::string& path);
/// Reads the weights of a model file over those of a model of the same layout. Errors as of `load_model`.
void load_weights(const std::string& path, ParameterStore& store);

/// Requires that the data set's classes are the model's, by name and order (InputError naming the first
/// difference).
void require_classes_of(const ModelDescription& model, const DatasetInfo& data);

/// The `vmoe` entry as text and back. Throws InputError "WHERE: ..." for whatever does not fit its schema.
std::string description_to_json(const ModelDescription& description);
ModelDescription description_from_json(const std::string& text, const std::string& where);

}  // namespace vmoe
