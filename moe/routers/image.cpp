#include "moe/routers/image.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"

namespace vmoe {

namespace {

void require_finite(Tensor logits, uint32_t position) {
  for (int64_t b = 0; b < logits.dim(0); ++b) {
    const Tensor row = logits.row(b);
    if (!std::all_of(row.begin(), row.end(), [](real z) { return std::isfinite(z); })) {
      throw Error(ExitCode::internal, "the router's logits of image " + std::to_string(position + b) +
                                          " of this epoch are not finite: the weights have diverged, a lower "
                                          "learning rate may help");
    }
  }
}

// The k experts with the largest probability, best first; a tie goes to the lower expert.
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

View<const int> choose(Tape& tape, Tensor probabilities, const RouterSettings& settings) {
  const int64_t images = probabilities.dim(0), experts = probabilities.dim(1);
  const int k = settings.top_k;
  int* choices = tape.arena().allocate<int>(images * k);
  for (int64_t b = 0; b < images; ++b) {
    if (settings.choice == Choice::learned) {
      top_k(probabilities.row(b), k, choices + b * k);
    } else {
      for (int j = 0; j < k; ++j)
        choices[b * k + j] = static_cast<int>((settings.position + b + j) % experts);
    }
  }
  return {choices, {images, k}};
}

}  // namespace

const Routing& route_images(Tape& tape, Var x, Var weight, const RouterSettings& settings) {
  const Var logits = linear(tape, x, weight, Var{});
  require_finite(tape.value(logits), settings.position);
  const Var probabilities = softmax(tape, logits);
  const int experts = static_cast<int>(tape.value(weight).dim(0));
  Routing& routing = assign(tape, choose(tape, tape.value(probabilities), settings), experts);
  routing.logits = logits;
  routing.probabilities = probabilities;
  routing.gate = gather_entries(tape, probabilities, routing.unit, routing.expert);
  return routing;
}

}  // namespace vmoe
