#include "tensor/gradients.h"

#include <algorithm>

#include "tensor/kernels/kernels.h"

namespace vmoe {

namespace {

int64_t expert_size(const Parameter& parameter) {
  return parameter.shape.count() / parameter.experts;
}

// Room for `touched` experts of every stacked parameter.
size_t expert_bytes(const ParameterStore& store, int touched) {
  size_t bytes = 0;
  for (const Parameter& parameter : store.all()) {
    if (parameter.experts == 0) continue;
    bytes +=
        (expert_size(parameter) * sizeof(real) + Arena::kAlignment) * std::min(touched, parameter.experts);
  }
  return bytes;
}

// A stacked parameter [E, ...] without its first dimension.
Shape expert_shape(const Parameter& parameter) {
  return View<real>{nullptr, parameter.shape}.row(0).shape;
}

}  // namespace

Gradients::Gradients(const ParameterStore& store, int touched) : store_(store) {
  dense_ = dense_memory_.allocate<real>(store.dense_size());
  for (const Parameter& parameter : store.all()) {
    first_slot_.push_back(static_cast<int>(slots_.size()));
    slots_.resize(slots_.size() + std::max(parameter.experts, 1), nullptr);
  }
  expert_memory_.reserve(expert_bytes(store, touched));
  clear();
}

size_t Gradients::bytes(const ParameterStore& store, int touched) {
  return static_cast<size_t>(store.dense_size()) * sizeof(real) + expert_bytes(store, touched);
}

void Gradients::clear() {
  std::fill(slots_.begin(), slots_.end(), nullptr);
  expert_memory_.reset();
}

Gradients::Target Gradients::target(ParamId id) {
  if (store_[id].experts > 0)
    throw ShapeError("gradient of all experts of '" + store_[id].name + "' at once");
  const Tensor gradient = store_.view(id, dense_);
  real*& data = slots_[first_slot_[id.index]];
  const bool fresh = data == nullptr;
  data = gradient.data;
  return {gradient, fresh};
}

Gradients::Target Gradients::target_of_expert(ParamId id, int expert) {
  const Parameter& parameter = store_[id];
  real*& data = slots_[first_slot_[id.index] + expert];
  const bool fresh = data == nullptr;
  if (fresh) data = expert_memory_.allocate<real>(expert_size(parameter));
  return {{data, expert_shape(parameter)}, fresh};
}

Tensor Gradients::zeroed(const Target& target) {
  if (target.fresh) std::fill(target.tensor.begin(), target.tensor.end(), real{0});
  return target.tensor;
}

void Gradients::add_to(real* total) const {
  for (int i = 0; i < store_.count(); ++i) {
    const Parameter& parameter = store_[{i}];
    const int parts = std::max(parameter.experts, 1);
    const int64_t size = parameter.shape.count() / parts;
    for (int e = 0; e < parts; ++e) {
      if (const real* data = slot({i}, e)) {
        real* sum = total + parameter.offset + e * size;
        kernels().add(size, sum, data, sum);
      }
    }
  }
}

}  // namespace vmoe
