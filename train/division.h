#pragma once
// The super-classes that a model's router is to learn, as a user names them.

#include <string>
#include <vector>

#include "data/dataset.h"
#include "moe/super_classes.h"
#include "train/checkpoint.h"

namespace vmoe {

/// The division in a file of `vmoe superclass`, of these classes. `experts` is the E that it must have, 0
/// any. Throws UsageError, InputError or IoError naming the file.
SuperClasses read_division(const std::string& file, const std::vector<std::string>& classes, int experts);

/// The data's own coarse labels as a division. Throws UsageError naming `flag`, by which they were asked for, if
/// there are none (`advice` ends that line), or not `experts` (0: any number).
SuperClasses coarse_division(const std::string& flag, const DatasetInfo& data, int experts,
                             const std::string& advice = "");

/// What --super-classes means: a file, or "coarse", the data's own coarse labels (UsageError if it has none).
SuperClasses find_division(const std::string& named, const DatasetInfo& data, int experts);

/// Tells the model which expert each class belongs to, and what each expert is for: its super-class's name,
/// or the names of its classes.
void give_division(ModelDescription& model, const SuperClasses& division);

}  // namespace vmoe
