#include "train/routes.h"

#include <algorithm>

#include "tensor/error.h"

namespace vmoe {

namespace {

void require_image_router(const Model& model) {
  const MoeConfig& moe = model.config().moe;
  if (moe.is_dense()) throw UsageError("the model is dense: it has no experts that images could go to");
  if (moe.routes_tokens()) {
    throw UsageError(
        "the model's router " + moe.router +
        " does not decide about whole images; routes are those of a router that does, such as image");
  }
}

// Appends the choices of a chunk's images.
void add_choices(Routes& routes, const Tape& tape, const Routing& routing) {
  const size_t before = routes.choices.size();
  std::vector<std::vector<Routes::Choice>> of_unit(routing.units);
  const Tensor gate = tape.value(routing.gate);
  for (int64_t a = 0; a < routing.unit.count(); ++a)
    of_unit[routing.unit[a]].push_back({routing.expert[a], gate[a]});
  for (auto& choices : of_unit) {  // by expert so far
    std::stable_sort(choices.begin(), choices.end(),
                     [](const Routes::Choice& x, const Routes::Choice& y) { return x.gate > y.gate; });
    routes.choices.insert(routes.choices.end(), choices.begin(), choices.end());
  }
  if (routes.choices.size() - before != static_cast<size_t>(routing.units) * routes.per_image)
    throw Error(ExitCode::internal,
                "a router chose another number of experts than the model has for an image");
}

}  // namespace

Routes find_routes(const Model& model, Inference& inference, const EvaluationImages& images) {
  require_image_router(model);
  if (images.size() == 0) throw InputError("there is no image to follow");
  const VitConfig& vit = model.config().vit;
  const MoeConfig& moe = model.config().moe;
  Routes routes;
  routes.experts = moe.experts;
  routes.classes = vit.classes;
  routes.per_image = moe.top_k;
  routes.statistics = RoutingStatistics(moe.experts);

  int64_t hits = 0;
  inference.visit(
      images, [&](InferenceWorker& worker, const Model::Output& output, const int* labels, int count) {
        routes.labels.insert(routes.labels.end(), labels, labels + count);
        routes.statistics.add(worker.tape, *output.routing);
        add_choices(routes, worker.tape, *output.routing);
        if (moe.super_classes.empty()) return;
        const Tensor logits = worker.tape.value(output.routing->logits);
        for (int i = 0; i < count; ++i) {
          const Tensor row = logits.row(i);
          hits += std::max_element(row.begin(), row.end()) - row.begin() == moe.super_classes[labels[i]];
        }
      });
  routes.router_accuracy = static_cast<double>(hits) / static_cast<double>(images.size());
  return routes;
}

std::vector<ExpertRoutes> by_expert(const Routes& routes, const std::vector<int>& super_classes) {
  const auto classes = static_cast<size_t>(routes.classes), k = static_cast<size_t>(routes.per_image);
  std::vector<int64_t> count(classes * static_cast<size_t>(routes.experts));
  for (size_t i = 0; i < routes.choices.size(); ++i)
    ++count[static_cast<size_t>(routes.choices[i].expert) * classes +
            static_cast<size_t>(routes.labels[i / k])];
  std::vector<ExpertRoutes> result(static_cast<size_t>(routes.experts));
  for (size_t e = 0; e < result.size(); ++e) {
    ExpertRoutes& expert = result[e];
    int64_t own = 0;
    for (size_t n = 0; n < classes; ++n) {
      const int64_t images = count[e * classes + n];
      if (images > 0) expert.classes.push_back({static_cast<int>(n), images});
      expert.images += images;
      if (!super_classes.empty() && super_classes[n] == static_cast<int>(e)) own += images;
    }
    std::stable_sort(expert.classes.begin(), expert.classes.end(),
                     [](const auto& a, const auto& b) { return a.images > b.images; });
    if (expert.images == 0) continue;
    if (super_classes.empty()) own = expert.classes[0].images;
    expert.purity = static_cast<double>(own) / static_cast<double>(expert.images);
  }
  return result;
}

}  // namespace vmoe
