#include "moe/routers/top_k.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "autograd/ops.h"

namespace vmoe {

namespace {

void top_k(Tensor probabilities, int k, int* chosen) {
  const auto taken = [&](int e, int before) {
    return std::find(chosen, chosen + before, e) != chosen + before;
  };
  for (int j = 0; j < k; ++j) {
    int best = -1;
    for (int e = 0; e < probabilities.count(); ++e) {
      if (!taken(e, j) && (best < 0 || probabilities[e] > probabilities[best])) best = e;
    }
    chosen[j] = best;
  }
}

}  // namespace

void require_finite_logits(Tensor logits, const RouterSettings& settings) {
  for (int64_t t = 0; t < logits.dim(0); ++t) {
    const Tensor row = logits.row(t);
    if (std::all_of(row.begin(), row.end(), [](real z) { return std::isfinite(z); })) continue;
    const int64_t per_image = settings.units_per_image;
    throw Error(
        ExitCode::internal,
        "the router's logits of " +
            (per_image > 1 ? "token " + std::to_string(t % per_image) + " of " : std::string()) + "image " +
            std::to_string(settings.position + t / per_image) +
            " of this epoch are not finite: the weights have diverged, a lower learning rate may help");
  }
}

View<const int> choose_top_k(Tape& tape, Tensor probabilities, const RouterSettings& settings) {
  const int64_t units = probabilities.dim(0), experts = probabilities.dim(1);
  const int64_t first = int64_t{settings.position} * settings.units_per_image;
  const int k = settings.top_k;
  int* choices = tape.arena().allocate<int>(units * k);
  for (int64_t t = 0; t < units; ++t) {
    if (settings.choice == Choice::learned) {
      top_k(probabilities.row(t), k, choices + t * k);
    } else {
      for (int j = 0; j < k; ++j) choices[t * k + j] = static_cast<int>((first + t + j) % experts);
    }
  }
  return {choices, {units, k}};
}

Var top_k_gates(Tape& tape, const Routing& routing, const RouterSettings& settings) {
  if (!settings.renormalise) return gather_entries(tape, routing.probabilities, routing.unit, routing.expert);
  // The chosen logits as [T, K] and back: a softmax of its own cannot divide by a sum that rounded to zero,
  // and gives exactly 1 for K = 1.
  const int64_t assignments = routing.unit.count(), k = settings.top_k;
  int* unit = tape.arena().allocate<int>(assignments);  // in the order of units, then choices
  int* expert = tape.arena().allocate<int>(assignments);
  for (int64_t a = 0; a < assignments; ++a) {
    const int64_t place = routing.unit[a] * k + routing.choice[a];
    unit[place] = routing.unit[a];
    expert[place] = routing.expert[a];
  }
  const Var chosen = gather_entries(tape, routing.logits, {unit, {assignments}}, {expert, {assignments}});
  const Var shares = softmax(tape, reshape(tape, chosen, {routing.units, k}));
  return gather_entries(tape, shares, routing.unit, routing.choice);
}

}  // namespace vmoe
