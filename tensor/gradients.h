#pragma once
// Where the weight gradients of one thread's lane go.

#include <vector>

#include "tensor/arena.h"
#include "tensor/parameter_store.h"

namespace vmoe {

/// Gradients of the parameters, for one lane at a time. Nothing is zeroed beforehand: what a lane writes
/// first it writes over what was there. Dense parameters have a buffer of their own; of stacked experts only
/// those touched by the lane's images exist, so that E experts are not stored once per thread. After a lane
/// `add_to` adds everything to the batch's gradient (laid out like the store).
class Gradients {
 public:
  /// Room for the gradients of at most `touched` experts of every stacked parameter.
  Gradients(const ParameterStore& store, int touched);

  /// Bytes that an object with this room takes.
  static size_t bytes(const ParameterStore& store, int touched);

  /// A gradient to add into; if `fresh`, it is uninitialised and all of it must be overwritten.
  struct Target {
    Tensor tensor;
    bool fresh;
  };

  /// Start of a lane: no parameter and no expert is touched.
  void clear();
  /// Gradient of a dense parameter (all experts' for a stacked one is an error).
  Target target(ParamId id);
  /// Gradient of one expert's slice of a stacked parameter.
  Target target_of_expert(ParamId id, int expert);
  /// The same to add into, zeros when first asked for.
  Tensor of(ParamId id) { return zeroed(target(id)); }
  Tensor of_expert(ParamId id, int expert) { return zeroed(target_of_expert(id, expert)); }
  /// True if the lane touched this expert.
  bool touched(ParamId id, int expert) const { return slot(id, expert) != nullptr; }
  /// total += this lane's gradients; `total` has the layout of the store.
  void add_to(real* total) const;

 private:
  static Tensor zeroed(const Target& target);
  real* slot(ParamId id, int expert) const { return slots_[first_slot_[id.index] + expert]; }

  const ParameterStore& store_;
  Arena dense_memory_, expert_memory_;
  real* dense_;
  std::vector<int> first_slot_;  // by parameter: its first entry in slots_
  std::vector<real*> slots_;     // by parameter and expert (one for a dense one); null while untouched
};

}  // namespace vmoe
