#include "moe/routers/token.h"

#include "autograd/ops.h"
#include "moe/routers/top_k.h"

namespace vmoe {

const Routing& route_tokens(Tape& tape, Var x, Var weight, const RouterSettings& settings) {
  const Var logits = linear(tape, x, weight, Var{});
  require_finite_logits(tape.value(logits), settings);
  const Var probabilities = softmax(tape, logits);
  const int experts = static_cast<int>(tape.value(weight).dim(0));
  Routing& routing = assign(tape, choose_top_k(tape, tape.value(probabilities), settings), experts);
  routing.logits = logits;
  routing.probabilities = probabilities;
  routing.gate = top_k_gates(tape, routing, settings);
  return routing;
}

}  // namespace vmoe
