#pragma once
// Where the weight gradients of one thread's lane go, and where those of all lanes are added up.

#include <vector>

#include "tensor/arena.h"
#include "tensor/parameter_store.h"

namespace vmoe {

/// The gradient of a batch, laid out like the store: the sum of its lanes' in the order in which they are
/// added. Nothing is zeroed beforehand, either: a parameter (or expert) is copied from the first lane that
/// touched it, and zeroed at the end if there was none.
class BatchGradient {
 public:
  explicit BatchGradient(const ParameterStore& store);

  /// Start of a batch: no lane has added anything.
  void clear();
  /// Adds one lane's gradient of a dense parameter (expert 0), or of one expert of a stacked one.
  void add(ParamId id, int expert, const real* gradient);
  /// After the last lane: zeroes what none touched. Parameters can be asked for in any order, by many
  /// threads.
  void complete(ParamId id);
  /// `complete` for all of them.
  void complete();

  real* data() { return sum_; }

 private:
  const ParameterStore& store_;
  Arena memory_;
  real* sum_;
  std::vector<int> first_slot_;  // by parameter: its first entry in touched_
  std::vector<char> touched_;    // by parameter and expert (one for a dense one)
};

/// Gradients of the parameters, for one lane at a time. Nothing is zeroed beforehand: what a lane writes
/// first it writes over what was there. Dense parameters have a buffer of their own; of stacked experts only
/// those touched by the lane's images exist, so that E experts are not stored once per thread. After a lane
/// `add_to` adds everything to the batch's gradient.
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
  /// total += this lane's gradients.
  void add_to(BatchGradient& total) const;

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
