#pragma once
// The arms of the study of Mobile V-MoE: models that share data, recipe and budget and differ in one thing.

#include <string>
#include <vector>

#include "data/dataset.h"
#include "train/options.h"

namespace vmoe {

/// Where the labels of a router come from.
enum class ArmDivision { none, clustered, random, coarse };

struct StudyArm {
  std::string name;     // "superclass"
  std::string meaning;  // in one phrase
  std::string router;   // "none", "image", "token"
  ArmDivision division = ArmDivision::none;
};

/// dense, superclass, random, image, token, coarse, wide: the order in which they run and are printed.
const std::vector<StudyArm>& mobile_arms();

/// One of them (Error(internal) for another name).
const StudyArm& mobile_arm(const std::string& name);

/// The arms of these names, in the order above; without names all that the data allow. Throws UsageError for
/// an unknown name, or "coarse" where the data have no coarse labels.
std::vector<StudyArm> choose_arms(const std::vector<std::string>& names, const DatasetInfo& data);

/// Experts of a study that was not told: min(10, classes / 2). Throws UsageError for fewer than four classes,
/// of which no two super-classes of two can be made, and for more experts than classes.
int study_experts(const ModelFlags& shared, const DatasetInfo& data);

/// The model flags of an arm. `shared` describes the mixture but its router; the others follow from it:
///   superclass, random, image, token   the mixture; end to end at k = 1 with raw gates, since renormalised
///                                      ones are 1 and have no gradient
///   superclass, random, coarse   no balance loss: their division fixes who has how much
///   coarse   with as many experts as there are coarse classes
///   dense    without experts, its MLPs as wide as brings its FLOPs of inference nearest to the mixture's
///   wide     without experts, its MLPs as wide as brings its parameters nearest to the mixture's
/// Throws UsageError for sizes that cannot work.
ModelFlags arm_flags(const StudyArm& arm, const ModelFlags& shared, const DatasetInfo& data);

}  // namespace vmoe
