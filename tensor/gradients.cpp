#include "tensor/gradients.h"

#include <algorithm>

#include "tensor/kernels/kernels.h"

namespace vmoe {

namespace {

int64_t expert_size(const Parameter& parameter) {
  return parameter.shape.count() / parameter.experts;
}

// A stacked parameter [E, ...] without its first dimension.
Shape expert_shape(const Parameter& parameter) {
  return View<real>{nullptr, parameter.shape}.row(0).shape;
}

}  // namespace

Gradients::Gradients(const ParameterStore& store, int touched) : store_(store) {
  dense_ = dense_memory_.allocate<real>(store.dense_size());
  size_t expert_bytes = 0;
  for (const Parameter& parameter : store.all()) {
    first_slot_.push_back(static_cast<int>(slots_.size()));
    if (parameter.experts == 0) continue;
    slots_.resize(slots_.size() + parameter.experts, nullptr);
    const size_t bytes = expert_size(parameter) * sizeof(real) + Arena::kAlignment;
    expert_bytes += bytes * std::min(touched, parameter.experts);
  }
  if (expert_bytes > 0) expert_memory_.reserve(expert_bytes);
  clear();
}

void Gradients::clear() {
  std::fill(dense_, dense_ + store_.dense_size(), real{0});
  std::fill(slots_.begin(), slots_.end(), nullptr);
  expert_memory_.reset();
}

Tensor Gradients::of(ParamId id) {
  if (store_[id].experts > 0)
    throw ShapeError("gradient of all experts of '" + store_[id].name + "' at once");
  return store_.view(id, dense_);
}

Tensor Gradients::of_expert(ParamId id, int expert) {
  const Parameter& parameter = store_[id];
  real*& data = slots_[first_slot_[id.index] + expert];
  if (!data) {
    data = expert_memory_.allocate<real>(expert_size(parameter));
    std::fill(data, data + expert_size(parameter), real{0});
  }
  return {data, expert_shape(parameter)};
}

void Gradients::add_to(real* total) const {
  kernels().add(store_.dense_size(), total, dense_, total);
  for (int i = 0; i < store_.count(); ++i) {
    const Parameter& parameter = store_[{i}];
    for (int e = 0; e < parameter.experts; ++e) {
      if (const real* data = slot({i}, e)) {
        real* sum = total + parameter.offset + e * expert_size(parameter);
        kernels().add(expert_size(parameter), sum, data, sum);
      }
    }
  }
}

}  // namespace vmoe
