#include "train/division.h"

#include "moe/super_classes_json.h"
#include "train/atomic_file.h"

namespace vmoe {

namespace {

constexpr size_t kMostBytes = size_t{4} << 20;

std::vector<std::string> expert_names(const SuperClasses& division) {
  if (!division.names.empty()) return division.names;
  std::vector<std::string> names(division.experts);
  for (size_t i = 0; i < division.classes.size(); ++i) {
    std::string& name = names[division.super_class[i]];
    name += (name.empty() ? "" : ", ") + division.classes[i];
  }
  return names;
}

}  // namespace

SuperClasses read_division(const std::string& file, const std::vector<std::string>& classes, int experts) {
  SuperClasses division = super_classes_from_json(read_file(file, kMostBytes), file);
  require_division_of(division, file, classes, experts);
  return division;
}

SuperClasses coarse_division(const std::string& flag, const DatasetInfo& data, int experts,
                             const std::string& advice) {
  if (data.coarse_of_class.empty()) {
    throw UsageError(flag + ": '" + data.path + "' has no coarse labels" + advice);
  }
  const int coarse = static_cast<int>(data.coarse_classes.size());
  if (experts != 0 && experts != coarse) {
    throw UsageError("--experts " + std::to_string(experts) + ": with " + flag + " it must be " +
                     std::to_string(coarse) + ", the number of coarse classes of '" + data.path + "'");
  }
  return super_classes_from_coarse(data.classes, data.coarse_of_class, data.coarse_classes);
}

SuperClasses find_division(const std::string& named, const DatasetInfo& data, int experts) {
  return named == "coarse" ? coarse_division("--super-classes coarse", data, experts,
                                             "; make a division with 'vmoe superclass'")
                           : read_division(named, data.classes, experts);
}

void give_division(ModelDescription& model, const SuperClasses& division) {
  model.config.moe.super_classes = division.super_class;
  model.experts = expert_names(division);
}

}  // namespace vmoe
