#include "autograd/tape.h"

#include <algorithm>
#include <string>

#include "tensor/kernels/kernels.h"

namespace vmoe {

void Tape::reset() {
  nodes_.clear();
  free_.clear();
  std::fill(param_nodes_.begin(), param_nodes_.end(), Var{});
  arena_.reset();
}

void Tape::reset_with_room_of(const Tape& other) {
  reset();
  arena_.reserve(other.arena_.capacity());
  nodes_.reserve(other.nodes_.capacity());
  free_.reserve(other.free_.capacity());
  param_nodes_.resize(std::max(param_nodes_.size(), other.param_nodes_.size()));
}

Var Tape::constant(Tensor value) {
  Node node;
  node.value = value;
  return push(node);
}

Var Tape::leaf(Tensor value) {
  Node node;
  node.value = value;
  node.wants_grad = true;
  return push(node);
}

Var Tape::parameter(ParamId id) {
  if (param_nodes_.empty()) param_nodes_.resize(store_->count());
  Var& known = param_nodes_[id.index];
  if (!known) {
    Node node;
    node.value = store_->value(id);
    node.param = id;
    node.wants_grad = gradients_ != nullptr;
    known = push(node);
  }
  return known;
}

Tensor Tape::allocate(const Shape& shape) {
  return arena_.tensor(shape);
}

const PackedWeight* Tape::packed(Var v, int expert) const {
  return packed_ ? packed_->of_expert(param(v), expert) : nullptr;
}

Tensor Tape::grad(Var v) {
  const Target target = grad_target(v);
  if (target.fresh) std::fill(target.tensor.begin(), target.tensor.end(), real{0});
  return target.tensor;
}

Tape::Target Tape::grad_target(Var v) {
  Node& node = nodes_[v.id];
  if (node.param) return gradients_->target(node.param);
  const bool fresh = node.grad == nullptr;
  if (fresh) node.grad = take_buffer(node.value.count());
  return {{node.grad, node.value.shape}, fresh};
}

Tensor Tape::expert_grad(Var stacked, int expert) {
  const Node& node = nodes_[stacked.id];
  return node.param ? gradients_->of_expert(node.param, expert) : grad(stacked).row(expert);
}

Tape::Target Tape::expert_grad_target(Var stacked, int expert) {
  const Node& node = nodes_[stacked.id];
  if (node.param) return gradients_->target_of_expert(node.param, expert);
  return {grad(stacked).row(expert), false};
}

void Tape::backward(Var scalar, real seed) {
  if (!recording_) throw Error(ExitCode::internal, "backward on a tape that records nothing");
  require_shape("backward", value(scalar).shape, {});
  if (!wants_grad(scalar)) return;
  grad(scalar)[0] += seed;
  for (int i = scalar.id; i >= 0; --i) {
    Node& node = nodes_[i];
    if (!node.run || !node.grad) continue;  // a constant, or nothing that follows depends on it
    const Tensor dy{node.grad, node.value.shape};
    node.run(node.state, *this, dy);
    // Nodes after i have run, so nobody adds to this gradient again.
    give_back(dy.data, dy.count());
    nodes_[i].grad = nullptr;
  }
}

Var Tape::push(const Node& node) {
  nodes_.push_back(node);
  return {static_cast<int>(nodes_.size()) - 1};
}

real* Tape::take_buffer(int64_t count) {
  // The newest first: it is the likeliest to be in cache.
  for (size_t i = free_.size(); i-- > 0;) {
    if (free_[i].count != count) continue;
    real* data = free_[i].data;
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
    return data;
  }
  return arena_.allocate<real>(count);
}

void Tape::give_back(real* buffer, int64_t count) {
  free_.push_back({buffer, count});
}

}  // namespace vmoe
