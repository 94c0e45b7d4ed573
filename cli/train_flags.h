#pragma once
// What a training run can be told, for `vmoe train`, which does it, and `vmoe plan`, which says what it
// needs.

#include <string>

#include "cli/common_flags.h"
#include "train/options.h"

namespace vmoe {

/// Optimisation, data, model and experts.
void add_training_flags(Flags& flags, TrainOptions& options);

/// The same without super-classes, which a study finds itself.
void add_shared_training_flags(Flags& flags, TrainOptions& options, const std::string& default_experts);

/// The group "Run", which has the recipe, and the machine's.
void add_run_flags(Flags& flags, TrainOptions& options, Machine& machine, bool& json);

/// runs/NAME, NAME being that of the recipe, the model or the data.
std::string default_output(const TrainOptions& options, const std::string& recipe);

}  // namespace vmoe
