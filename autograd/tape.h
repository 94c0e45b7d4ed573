#pragma once
// Reverse-mode automatic differentiation, define by run: the tape is recorded anew for every chunk of images,
// because routing depends on the data. Nodes live in the arena and are forgotten with it.
//
// An op is a free function `Var op(Tape&, Var inputs..., settings...)` that computes its value and records a
// closure which, given the gradient of the value, ADDS to the gradients of its inputs:
//
//   Var scale(Tape& tape, Var x, real factor) {            // y = factor * x,   dx += factor * dy
//     Tensor X = tape.value(x), y = tape.allocate(X.shape);
//     for (int64_t i = 0; i < y.count(); ++i) y[i] = factor * X[i];
//     return tape.record(y, {x}, [=](Tape& tape, Tensor dy) {
//       Tensor dx = tape.grad(x);
//       for (int64_t i = 0; i < dy.count(); ++i) dx[i] += factor * dy[i];
//     });
//   }

#include <initializer_list>
#include <new>
#include <type_traits>
#include <vector>

#include "tensor/arena.h"
#include "tensor/error.h"
#include "tensor/gradients.h"
#include "tensor/packed_weights.h"
#include "tensor/parameter_store.h"
#include "tensor/team.h"

namespace vmoe {

/// A value on the tape; an empty one stands for "none" (a linear op without bias).
struct Var {
  int id = -1;
  explicit operator bool() const { return id >= 0; }
};

class Tape {
 public:
  /// A tape for tests and for models without a store: only constants and leaves.
  explicit Tape(Arena& arena) : arena_(arena) {}
  /// A tape that only computes: it records nothing, and `backward` is an error.
  Tape(Arena& arena, const ParameterStore& store, const PackedWeights& packed)
      : arena_(arena), store_(&store), packed_(&packed), recording_(false) {}
  /// A training tape: gradients of parameters are added to `gradients`.
  Tape(Arena& arena, const ParameterStore& store, const PackedWeights& packed, Gradients& gradients)
      : arena_(arena), store_(&store), packed_(&packed), gradients_(&gradients) {}

  /// Forgets all nodes and everything in the arena.
  void reset();
  /// The same, with room for everything that `other`, a tape of the same store, had to make room for: threads
  /// that share a model's chunks by chance can all be as ready as the one that ran most.
  void reset_with_room_of(const Tape& other);

  // --- values ---
  /// A value without gradient. The memory stays the caller's and must outlive the tape's use.
  Var constant(Tensor value);
  /// A value whose gradient can be read after `backward`.
  Var leaf(Tensor value);
  /// A parameter of the store (one node per parameter and chunk).
  Var parameter(ParamId id);

  /// ShapeError for an empty Var.
  Tensor value(Var v) const {
    if (!v) throw ShapeError("an op was given no value where it needs one");
    return nodes_[v.id].value;
  }
  /// The parameter behind a node, or an empty handle.
  ParamId param(Var v) const { return nodes_[v.id].param; }
  bool recording() const { return recording_; }

  // --- for ops ---
  /// Uninitialised memory that lives as long as the chunk.
  Tensor allocate(const Shape& shape);
  Arena& arena() { return arena_; }
  /// The threads that share the work inside an op (one, but for single-image prediction).
  Team& team() const { return *team_; }
  void set_team(Team& team) { team_ = &team; }
  /// Packed form of a parameter, the matrix of this expert (0 where nothing is stacked) ready to be read.
  /// Null if `v` is no parameter or nothing was packed.
  const PackedWeight* packed(Var v, int expert) const;
  /// By which attention multiplies queries, keys and values; null: in fp32.
  const NarrowKernels* attention_kernels() const { return packed_ ? packed_->attention() : nullptr; }

  /// Records y = f(inputs). `backward(tape, dy)` is called once, if any input wants a gradient, with dy of
  /// y's shape. The closure must be trivially destructible: it is copied into the arena and never destroyed.
  template <class Backward>
  Var record(Tensor value, std::initializer_list<Var> inputs, Backward backward);

  /// True if `v` leads to a leaf or a parameter.
  bool wants_grad(Var v) const { return v && nodes_[v.id].wants_grad; }
  /// The gradient of `v` to add into (zeros at first). Only inside a closure, or after `backward` for a leaf.
  Tensor grad(Var v);
  /// Like `grad`, but if nothing was added yet the memory is uninitialised and `fresh` is true: the caller
  /// must then overwrite all of it. Saves a pass over memory in products and elementwise ops.
  using Target = Gradients::Target;
  Target grad_target(Var v);
  /// The gradient of one expert's slice of a stacked parameter (or of slice e of a leaf), to add into.
  Tensor expert_grad(Var stacked, int expert);
  Target expert_grad_target(Var stacked, int expert);

  /// Runs all closures in reverse order, starting from d(scalar)/d(scalar) = seed.
  void backward(Var scalar, real seed = 1);

 private:
  using Closure = void (*)(void* state, Tape& tape, Tensor dy);
  struct Node {
    Tensor value;
    real* grad = nullptr;  // null until something is added
    void* state = nullptr;
    Closure run = nullptr;
    ParamId param;
    bool wants_grad = false;
  };
  Var push(const Node& node);
  real* take_buffer(int64_t count);
  void give_back(real* buffer, int64_t count);

  Arena& arena_;
  const ParameterStore* store_ = nullptr;
  const PackedWeights* packed_ = nullptr;
  Gradients* gradients_ = nullptr;
  Team* team_ = &Team::alone();
  bool recording_ = true;
  std::vector<Node> nodes_;
  std::vector<Var> param_nodes_;  // by parameter index
  // Gradient memory of nodes whose closure has run, to be used again while it is still in cache.
  struct FreeBuffer {
    real* data;
    int64_t count;
  };
  std::vector<FreeBuffer> free_;
};

template <class Backward>
Var Tape::record(Tensor value, std::initializer_list<Var> inputs, Backward backward) {
  static_assert(std::is_trivially_destructible_v<Backward>, "the arena never runs destructors");
  Node node;
  node.value = value;
  if (recording_) {
    for (const Var input : inputs) node.wants_grad |= wants_grad(input);
  }
  if (node.wants_grad) {
    node.state = new (arena_.allocate_bytes(sizeof(Backward))) Backward(backward);
    node.run = [](void* state, Tape& tape, Tensor dy) { (*static_cast<Backward*>(state))(tape, dy); };
  }
  return push(node);
}

}  // namespace vmoe
