#pragma once
// A run that starts from a trained model instead of drawn weights: --init.

#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/checkpoint.h"
#include "train/options.h"

namespace vmoe {

/// Describes the model of a run that starts from the file options.init: that of the file, preprocessing
/// included, with the flags that its weights leave open, super-classes if it has none yet, and the run's own
/// hold-out. Warnings are added where the result may deceive. Throws UsageError for flags that contradict the
/// file, InputError if the data has other classes, and what `load_description` throws.
ModelDescription describe_initial_model(const TrainOptions& options, const DatasetInfo& data,
                                        std::vector<std::string>& warnings);

/// What tells one file from another in the settings of a run: "file " and a hash of its bytes (FNV-1a, 64
/// bits), whatever the file is called. IoError if it cannot be read.
std::string fingerprint_of(const std::string& path);

}  // namespace vmoe
