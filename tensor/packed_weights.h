#pragma once
// Linear weights in the order in which the matrix kernel reads them, packed once per step and shared by all
// lanes.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "tensor/arena.h"
#include "tensor/kernels/kernels.h"
#include "tensor/kernels/narrow.h"
#include "tensor/parameter_store.h"

namespace vmoe {

/// A weight W [O, I] in panels, for y = x W^T (`forward`: I x O) and for dx = dy W (`backward`: O x I; null
/// when only inference was asked for). Stacked experts follow each other at the given strides (in numbers).
struct PackedWeight {
  int64_t outputs = 0, inputs = 0;
  const real* forward = nullptr;
  const real* backward = nullptr;
  int64_t forward_stride = 0, backward_stride = 0;  // from one expert to the next

  /// With fewer bits there are codes instead of numbers, from these kernels' `pack`.
  const NarrowKernels* narrow = nullptr;
  const std::byte* codes = nullptr;                     // for y = x W^T
  const std::byte* backward_codes = nullptr;            // for dx = dy W, as above
  int64_t codes_stride = 0, backward_codes_stride = 0;  // bytes from one expert to the next
};

/// Which weights are packed with fewer bits, and by which kernels attention multiplies queries, keys and
/// values. For training the weights' kernels must be some that train; attention's always.
struct NarrowWeights {
  const NarrowKernels* kernels = nullptr;    // null: none
  std::vector<ParamId> except = {};          // stay in fp32
  const NarrowKernels* attention = nullptr;  // null: fp32
};

/// Packed copies of every parameter of role `weight` with at least two dimensions.
class PackedWeights {
 public:
  /// `training` asks for the backward form as well.
  PackedWeights(const ParameterStore& store, const Kernels& kernels, bool training,
                const NarrowWeights& narrow = {});

  /// Pieces of work that can be packed independently (for sharing between threads).
  int pieces() const { return static_cast<int>(jobs_.size()); }
  /// Packs piece i from the store's current values.
  void pack(int piece);
  void pack_all();
  /// The same, for a model that only predicts from now on: of each piece the numbers in `store` (the one
  /// given to the constructor) are released as soon as they are packed, so that hardly anything lies in
  /// memory twice. An expert's matrix is packed when `of_expert` is first asked for it: who predicts one
  /// image reads, packs and keeps those of its own experts alone. `pack` is an error after it.
  void pack_and_release(ParameterStore& store);
  /// Pieces that wait for this.
  int waiting() const;

  /// By which attention multiplies what the weights made; null: in fp32.
  const NarrowKernels* attention() const { return attention_; }

  /// Bytes of the packed copies.
  size_t bytes() const { return memory_.used(); }

  /// Null if this parameter is not packed.
  const PackedWeight* of(ParamId id) const;
  /// The same, with this expert's matrix ready to be read. Many threads may ask at once.
  const PackedWeight* of_expert(ParamId id, int expert) const;

 private:
  struct Job {
    int parameter;
    int expert;
  };
  // Who packs what later, and from where.
  struct Later {
    explicit Later(ParameterStore& from, size_t pieces) : store(from), ready(pieces) {}
    ParameterStore& store;
    std::mutex one_at_a_time;
    std::vector<std::atomic<bool>> ready;  // by piece
  };
  void write(int piece) const;
  void write_and_release(int piece) const;

  const ParameterStore& store_;
  const Kernels& kernels_;
  const NarrowKernels* attention_;
  Arena memory_;
  std::vector<PackedWeight> weights_;  // by parameter; outputs = 0 where nothing is packed
  std::vector<Job> jobs_;
  std::vector<int> first_job_;  // by parameter; those of its experts follow
  std::unique_ptr<Later> later_;
};

}  // namespace vmoe
