#pragma once
// The routing contract: what a router says, and what experts do with it.
//
// A unit is a token or a whole image. A router sees the units of one group and decides which experts take each
// of them and with which weight (the gate). Experts compute on the assigned units only; the output of unit t is
//   y[t] = sum over its assignments of gate * expert(x[t])
// (Puigcerver et al., arXiv:2401.15969, section 2: dispatch and combine, in sparse form). Gradients reach the
// router through the gates; the choice itself has none.

#include "autograd/tape.h"

namespace vmoe {

/// The decision for T units, E experts and A assignments, in the tape's arena: valid until the tape is reset.
/// Assignments are sorted by expert, then slot; a unit is at most once on an expert, a slot holds at most one
/// unit.
struct Routing {
  int units = 0;
  int experts = 0;
  Var logits;               // [T, E]
  Var probabilities;        // [T, E], rows sum to 1
  View<const int> unit;     // [A], 0 .. T-1
  View<const int> expert;   // [A], 0 .. E-1
  View<const int> slot;     // [A], from 0 for every expert
  View<const int> choice;   // [A], 0 .. K-1: which choice of its unit it is
  Var gate;                 // [A], finite and >= 0
  View<const int> first;    // [E + 1]: expert e has the assignments first[e] .. first[e + 1] - 1
  View<const int> dropped;  // units that no expert took; their output is zero
};

/// Room for a routing of `units` units with `per_unit` experts each, and its values, copied there: for one
/// whose own memory will be used again. Nothing is dropped. Its Vars are constants.
Routing& make_routing(Tape& tape, int units, int experts, int per_unit);
void copy_routing(const Tape& tape, const Routing& from, Routing& to);

/// Sorts choices [T, K], row t naming the experts of unit t in order of preference, into the assignments of a
/// new Routing: all first choices in unit order, then all second choices, and so on. There is no capacity, so
/// nothing is dropped. Logits, probabilities and gates are left for the router to fill in.
Routing& assign(Tape& tape, View<const int> choices, int experts);

}  // namespace vmoe
