#include "train/study/starts.h"

#include "moe/upcycle.h"
#include "train/evaluate.h"
#include "train/model_file.h"

namespace vmoe {

Clustering divide_by_confusion(const LoadedModel& baseline, const Dataset& dataset, int experts,
                               ClusterMethod method, int threads) {
  const ModelDescription& model = baseline.description;
  const EvaluationImages images(dataset, Split::train, choose_images(dataset, model, "holdout").indices,
                                model.preprocess);
  const Evaluation evaluation = evaluate(*baseline.model, images, threads, Confusion::hard);
  const int classes = dataset.classes();
  SuperClasses division = cluster_classes(evaluation.confusion, model.classes, experts, method).super_classes;
  std::vector<int> without_images;
  const std::vector<double> graph = confusion_graph(evaluation.confusion, classes, without_images);
  return judged(cap_sizes(std::move(division), graph, 2 * classes / experts), evaluation.confusion);
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
