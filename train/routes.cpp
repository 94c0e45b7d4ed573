#include "train/routes.h"

#include <algorithm>

#include "tensor/error.h"
#include "tensor/math.h"
#include "train/rank.h"

namespace vmoe {

namespace {

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
  if (routes.choices.size() - before != static_cast<size_t>(routing.units) * routes.per_unit)
    throw Error(ExitCode::internal,
                "a router chose another number of experts than the model has for an image");
}

// Counts the assignments of a decision about `units` units an image.
void count_units(Routes& routes, size_t decision, const Routing& routing, const int* labels, int units) {
  int64_t* counts = routes.counts.data() + decision * routes.experts * routes.classes;
  for (int64_t a = 0; a < routing.unit.count(); ++a)
    ++counts[routing.expert[a] * routes.classes + labels[routing.unit[a] / units]];
}

}  // namespace

Routes find_routes(const Model& model, Inference& inference, const EvaluationImages& images) {
  const MoeConfig& moe = model.config().moe;
  if (moe.is_dense()) throw UsageError("the model is dense: it has no experts that images could go to");
  if (images.size() == 0) throw InputError("there is no image to follow");
  Routes routes;
  routes.experts = moe.experts;
  routes.classes = model.config().vit.classes;
  routes.per_unit = moe.top_k;
  routes.routing = ModelRouting(model.config());
  routes.counts.resize(routes.routing.decisions.size() * moe.experts * routes.classes);

  int64_t hits = 0;
  inference.visit(images,
                  [&](InferenceWorker& worker, const Model::Output& output, const int* labels, int count) {
                    routes.labels.insert(routes.labels.end(), labels, labels + count);
                    routes.routing.add(worker.tape, output);
                    for (size_t i = 0; i < output.routings.size(); ++i)
                      count_units(routes, i, *output.routings[i], labels, output.routings[i]->units / count);
                    if (routes.routing.unit == Unit::image) add_choices(routes, worker.tape, *output.routing);
                    if (moe.super_classes.empty()) return;
                    const Tensor logits = worker.tape.value(output.routing->logits);
                    for (int i = 0; i < count; ++i) {
                      hits += rank_of(logits.row(i).data, moe.experts, moe.super_classes[labels[i]]) == 0;
                    }
                  });
  routes.router_accuracy = static_cast<double>(hits) / static_cast<double>(images.size());
  return routes;
}

std::vector<ExpertRoutes> by_expert(const Routes& routes, size_t decision,
                                    const std::vector<int>& super_classes) {
  const auto classes = static_cast<size_t>(routes.classes);
  std::vector<ExpertRoutes> result(static_cast<size_t>(routes.experts));
  for (size_t e = 0; e < result.size(); ++e) {
    const int64_t* count = routes.counts.data() + (decision * result.size() + e) * classes;
    ExpertRoutes& expert = result[e];
    int64_t own = 0;
    for (size_t n = 0; n < classes; ++n) {
      if (count[n] > 0) expert.classes.push_back({static_cast<int>(n), count[n]});
      expert.units += count[n];
      if (!super_classes.empty() && super_classes[n] == static_cast<int>(e)) own += count[n];
    }
    std::stable_sort(expert.classes.begin(), expert.classes.end(),
                     [](const auto& a, const auto& b) { return a.units > b.units; });
    if (expert.units == 0) continue;
    if (super_classes.empty()) own = expert.classes[0].units;
    expert.purity = static_cast<double>(own) / static_cast<double>(expert.units);
  }
  return result;
}

double explained_by_class(const Routes& routes, size_t decision) {
  const int64_t* count = routes.counts.data() + decision * routes.experts * routes.classes;
  std::vector<double> of_expert(routes.experts), of_class(routes.classes);
  double all = 0;
  for (int e = 0; e < routes.experts; ++e) {
    for (int n = 0; n < routes.classes; ++n) {
      const auto units = static_cast<double>(count[e * routes.classes + n]);
      of_expert[e] += units;
      of_class[n] += units;
      all += units;
    }
  }
  // Entropies of the experts, and of the experts of a class, both times the assignments.
  double entropy = 0, within = 0;
  for (int e = 0; e < routes.experts; ++e) {
    if (of_expert[e] > 0) entropy -= of_expert[e] * math::log(of_expert[e] / all);
    for (int n = 0; n < routes.classes; ++n) {
      const auto units = static_cast<double>(count[e * routes.classes + n]);
      if (units > 0) within -= units * math::log(units / of_class[n]);
    }
  }
  return entropy > 0 ? std::max(0.0, 1 - within / entropy) : 0;
}

}  // namespace vmoe
