#pragma once
// Commands that run a trained model over one part of its data: their arguments, and what they open.

#include <memory>
#include <string>

#include "cli/flags.h"
#include "data/batch.h"
#include "train/model_file.h"

namespace vmoe {

struct ModelOnData {
  std::string model, data, format = "auto", labels = "fine", split = "test";
};

/// MODEL, DATA, and the flags of a group "Data".
void add_model_on_data(Flags& flags, ModelOnData& arguments);

struct OpenedModel {
  explicit OpenedModel(const ModelOnData& arguments);

  LoadedModel loaded;
  std::unique_ptr<Dataset> dataset;
  EvaluationImages images;  // of the split

  const ModelDescription& description() const { return loaded.description; }
};

}  // namespace vmoe
