#include "moe/routing.h"

#include <algorithm>

namespace vmoe {

Routing& assign(Tape& tape, View<const int> choices, int experts) {
  Arena& arena = tape.arena();
  const int64_t units = choices.dim(0), per_unit = choices.dim(1), assignments = choices.count();
  int* first = arena.allocate<int>(experts + 1);
  int* filled = arena.allocate<int>(experts);
  int* unit = arena.allocate<int>(assignments);
  int* expert = arena.allocate<int>(assignments);
  int* slot = arena.allocate<int>(assignments);
  int* choice = arena.allocate<int>(assignments);

  std::fill(first, first + experts + 1, 0);
  std::fill(filled, filled + experts, 0);
  for (const int e : choices) ++first[e + 1];
  for (int e = 0; e < experts; ++e) first[e + 1] += first[e];
  for (int64_t j = 0; j < per_unit; ++j) {
    for (int64_t t = 0; t < units; ++t) {
      const int e = choices[t * per_unit + j];
      const int place = first[e] + filled[e];
      unit[place] = static_cast<int>(t);
      expert[place] = e;
      slot[place] = filled[e]++;
      choice[place] = static_cast<int>(j);
    }
  }

  Routing& routing = *new (arena.allocate_bytes(sizeof(Routing))) Routing;
  routing.units = static_cast<int>(units);
  routing.experts = experts;
  routing.unit = {unit, {assignments}};
  routing.expert = {expert, {assignments}};
  routing.slot = {slot, {assignments}};
  routing.choice = {choice, {assignments}};
  routing.first = {first, {experts + 1}};
  routing.dropped = {nullptr, {0}};
  return routing;
}

Routing& make_routing(Tape& tape, int units, int experts, int per_unit) {
  Arena& arena = tape.arena();
  const int64_t assignments = int64_t{units} * per_unit;
  const auto numbers = [&](int64_t count) { return View<const int>{arena.allocate<int>(count), {count}}; };
  Routing& routing = *new (arena.allocate_bytes(sizeof(Routing))) Routing;
  routing.units = units;
  routing.experts = experts;
  routing.logits = tape.constant(tape.allocate({units, experts}));
  routing.probabilities = tape.constant(tape.allocate({units, experts}));
  routing.gate = tape.constant(tape.allocate({assignments}));
  for (View<const int>* list : {&routing.unit, &routing.expert, &routing.slot, &routing.choice})
    *list = numbers(assignments);
  routing.first = numbers(experts + 1);
  routing.dropped = {nullptr, {0}};
  return routing;
}

void copy_routing(const Tape& tape, const Routing& from, Routing& to) {
  for (const auto member : {&Routing::logits, &Routing::probabilities, &Routing::gate}) {
    const Tensor source = tape.value(from.*member), target = tape.value(to.*member);
    require_shape("copy_routing", source.shape, target.shape);
    std::copy(source.begin(), source.end(), target.begin());
  }
  // The lists are const for readers; the room is ours.
  for (const auto member :
       {&Routing::unit, &Routing::expert, &Routing::slot, &Routing::choice, &Routing::first}) {
    std::copy((from.*member).begin(), (from.*member).end(), const_cast<int*>((to.*member).data));
  }
}

}  // namespace vmoe
