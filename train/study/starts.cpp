#include "train/study/starts.h"

#include "moe/upcycle.h"
#include "train/evaluate.h"
#include "train/model_file.h"

namespace vmoe {

Clustering capped_clusters(const std::vector<double>& confusion, const std::vector<std::string>& classes,
                           int experts, ClusterMethod method) {
  const int count = static_cast<int>(classes.size());
  SuperClasses division = cluster_classes(confusion, classes, experts, method).super_classes;
  return judged(cap_by_confusion(std::move(division), confusion, 2 * count / experts), confusion);
}

Clustering divide_by_confusion(const LoadedModel& baseline, const Dataset& dataset, int experts,
                               ClusterMethod method, int threads) {
  const ModelDescription& model = baseline.description;
  const EvaluationImages images = images_of(dataset, model, "holdout");
  const Evaluation evaluation = evaluate(*baseline.model, images, threads, Confusion::hard);
  return capped_clusters(evaluation.confusion, model.classes, experts, method);
}

void save_upcycled(const LoadedModel& dense, const MoeConfig& mixture, uint64_t seed,
                   const std::string& file) {
  ModelDescription description = dense.description;
  description.config.moe = mixture;
  Model model(description.config);
  upcycle(*dense.model, model, {.seed = seed});
  save_model(file, model, model.parameters().data(), description);
}

}  // namespace vmoe
