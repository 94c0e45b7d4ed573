#include "train/study/arms.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "moe/layers.h"
#include "tensor/error.h"
#include "train/suggest.h"

namespace vmoe {

namespace {

// Cost is linear in the width of the MLPs, so that two widths tell all.
int nearest_mlp_dim(ModelConfig config, int64_t target,
                    const std::function<int64_t(const ModelSize&)>& cost) {
  const int now = config.vit.mlp_dim;
  const int64_t here = cost(size_of(config));
  ++config.vit.mlp_dim;
  const double each = static_cast<double>(cost(size_of(config)) - here);
  return std::max(1, now + static_cast<int>(std::lround(static_cast<double>(target - here) / each)));
}

ModelFlags without_experts(ModelFlags flags) {
  flags.router = "none";
  flags.experts.reset();
  return flags;
}

ModelFlags mixture(ModelFlags flags, const std::string& router, int experts) {
  flags.router = router;
  flags.experts = experts;
  return flags;
}

bool has_coarse_labels(const DatasetInfo& data) {
  return !data.coarse_of_class.empty();
}

}  // namespace

const std::vector<StudyArm>& mobile_arms() {
  static const std::vector<StudyArm> arms = {
      {"dense", "no experts, equal FLOPs of inference", "none"},
      {"superclass", "an expert an image, by super-classes of what the dense model (seed 1) confuses",
       "image", ArmDivision::clustered},
      {"random", "the same with random super-classes of the same sizes", "image", ArmDivision::random},
      {"image", "an expert an image, end to end with a balance loss", "image"},
      {"token", "an expert a token, end to end with a balance loss", "token"},
      {"coarse", "an expert an image, by the data's own coarse classes", "image", ArmDivision::coarse},
      {"wide", "no experts, equal parameters in all", "none"},
  };
  return arms;
}

const StudyArm& mobile_arm(const std::string& name) {
  for (const StudyArm& arm : mobile_arms()) {
    if (arm.name == name) return arm;
  }
  throw Error(ExitCode::internal, "the study of Mobile V-MoE has no arm '" + name + "'");
}

std::vector<StudyArm> choose_arms(const std::vector<std::string>& names, const DatasetInfo& data) {
  std::vector<std::string> known;
  for (const StudyArm& arm : mobile_arms()) known.push_back(arm.name);
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string list;
    for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
    throw UsageError("--arms: there is no arm '" + name + "'" + did_you_mean(name, known) + " (arms are " +
                     list + ")");
  }
  std::vector<StudyArm> chosen;
  for (const StudyArm& arm : mobile_arms()) {
    const bool coarse = arm.division == ArmDivision::coarse;
    const bool named = std::find(names.begin(), names.end(), arm.name) != names.end();
    if (named && coarse && !has_coarse_labels(data))
      throw UsageError("--arms coarse: '" + data.path + "' has no coarse labels; leave the arm out");
    if (named || (names.empty() && (!coarse || has_coarse_labels(data)))) chosen.push_back(arm);
  }
  return chosen;
}

int study_experts(const ModelFlags& shared, const DatasetInfo& data) {
  const int classes = static_cast<int>(data.classes.size());
  if (classes < 4) {
    throw UsageError("study: '" + data.path + "' has " + std::to_string(classes) +
                     " classes; it takes at least 4, so that two experts can have two classes each");
  }
  const int experts = shared.experts.value_or(std::min(10, classes / 2));
  if (experts > classes) {
    throw UsageError("--experts " + std::to_string(experts) + " is more than the " + std::to_string(classes) +
                     " classes of '" + data.path + "', and each expert has at least one");
  }
  return experts;
}

ModelFlags arm_flags(const StudyArm& arm, const ModelFlags& shared, const DatasetInfo& data) {
  const ModelFlags whole = mixture(shared, "image", study_experts(shared, data));
  const ModelSize size = size_of(model_from_flags(whole, data));
  ModelFlags flags = without_experts(shared);
  if (arm.router != "none") {
    const bool coarse = arm.division == ArmDivision::coarse;
    flags =
        mixture(shared, arm.router, coarse ? static_cast<int>(data.coarse_classes.size()) : *whole.experts);
    if (arm.division != ArmDivision::none) flags.balance_weight = 0;
    if (arm.division == ArmDivision::none && flags.top_k.value_or(1) == 1) flags.renormalise = false;
  } else if (arm.name == "wide") {
    flags.mlp_dim = nearest_mlp_dim(model_from_flags(flags, data), size.params,
                                    [](const ModelSize& s) { return s.params; });
  } else {
    flags.mlp_dim = nearest_mlp_dim(model_from_flags(flags, data), size.flops,
                                    [](const ModelSize& s) { return s.flops; });
  }
  (void)model_from_flags(flags, data);  // says what is wrong before anything runs
  return flags;
}

}  // namespace vmoe
