#pragma once
// Every parameter of a model in one block. Gradients, moments and averages have the same layout, so an
// optimiser step is one loop over it and a checkpoint one pass.

#include <atomic>
#include <string>
#include <vector>

#include "tensor/arena.h"
#include "tensor/tensor.h"

namespace vmoe {

/// What a parameter is for; weight decay acts on `weight` only (by role, not by dimension).
enum class Role { weight, bias, norm, position, token, layer_scale };

/// How a parameter starts.
struct Init {
  enum class Kind { zeros, constant, normal, truncated_normal, uniform };
  Kind kind = Kind::zeros;
  double scale = 0;  // the constant; the deviation (truncated at 2 deviations); the bound of +-scale

  static Init zeros() { return {}; }
  static Init constant(double value) { return {Kind::constant, value}; }
  static Init normal(double deviation) { return {Kind::normal, deviation}; }
  static Init truncated_normal(double deviation) { return {Kind::truncated_normal, deviation}; }
  /// Deviation sqrt(2 / (inputs + outputs)), truncated: the scale of Glorot and Bengio (AISTATS 2010).
  static Init glorot(int64_t inputs, int64_t outputs);
  static Init uniform(double bound) { return {Kind::uniform, bound}; }
};

/// Handle of a parameter; an empty one stands for "this layer has none" (a linear layer without bias).
struct ParamId {
  int index = -1;
  explicit operator bool() const { return index >= 0; }
};

struct Parameter {
  std::string name;  // as timm has it: blocks.0.attn.qkv.weight
  Shape shape;
  Role role;
  Init init;
  int experts;     // 0: dense. E: the first dimension stacks the same tensor of E experts
  int64_t offset;  // of its first number in the block (a multiple of 16)

  /// Tensors that are stacked in it: E, or 1.
  int copies() const { return experts > 0 ? experts : 1; }
};

/// Parameters are added while the model is built, then `allocate` lays them out: dense ones first, in the
/// order of adding, then the stacked experts, so that what every lane touches is one range.
class ParameterStore {
 public:
  /// Names are unique; `experts` > 0 needs shape[0] == experts. Throws Error on a repeated name.
  ParamId add(std::string name, Shape shape, Role role, Init init, int experts = 0);

  /// Lays out and zeroes the block. No `add` after it.
  void allocate();
  /// Draws every start value: a function of (seed, place in the list) alone.
  void initialise(uint64_t seed);

  int count() const { return static_cast<int>(parameters_.size()); }
  const Parameter& operator[](ParamId id) const { return parameters_[id.index]; }
  const std::vector<Parameter>& all() const { return parameters_; }
  /// The parameter of this name, or an empty handle.
  ParamId find(const std::string& name) const;

  /// Numbers in the block (with padding), and in its dense front part.
  int64_t size() const { return size_; }
  int64_t dense_size() const { return dense_size_; }
  /// Numbers that are parameters (without padding).
  int64_t parameter_count() const;

  /// The block. Throws Error(internal) once something was released.
  real* data() { return whole_block(); }
  const real* data() const { return whole_block(); }
  /// View of one parameter in `block` (this store's own, or gradients and moments of the same layout).
  Tensor view(ParamId id, real* block) const { return {block + (*this)[id].offset, (*this)[id].shape}; }
  /// A parameter that was released whole has its shape still, and null for data.
  Tensor value(ParamId id) const {
    return released(id) ? Tensor{nullptr, (*this)[id].shape} : view(id, block_);
  }

  /// Gives the memory of a parameter, or of one expert of a stacked one, back to the system, when all that is
  /// read from now on is a copy elsewhere; once for each. Pages that hold other numbers, too, stay. One
  /// thread at a time; others may ask for values meanwhile.
  void release(ParamId id, int expert = 0);
  /// True if nothing of the parameter is left.
  bool released(ParamId id) const { return released_[id.index] == (*this)[id].copies(); }
  /// Bytes of the block that were not given back.
  size_t held_bytes() const { return static_cast<size_t>(size_) * sizeof(real) - released_bytes_; }

 private:
  real* whole_block() const;

  std::vector<Parameter> parameters_;
  Arena memory_;
  real* block_ = nullptr;
  int64_t size_ = 0;
  int64_t dense_size_ = 0;
  std::vector<std::atomic<int>> released_;  // by parameter: experts (1: all of it) that were given back
  size_t released_bytes_ = 0;
  bool whole_ = true;  // nothing was released
};

}  // namespace vmoe
