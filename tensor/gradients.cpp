#include "tensor/gradients.h"

#include <algorithm>

#include "tensor/kernels/kernels.h"

namespace vmoe {

namespace {

// Numbers of one expert, or of a dense parameter.
int64_t part_size(const Parameter& parameter) {
  return parameter.shape.count() / parameter.copies();
}

// By parameter its first entry in a list of all parts, and in the end how many those are.
std::vector<int> first_parts(const ParameterStore& store) {
  std::vector<int> first = {0};
  for (const Parameter& parameter : store.all()) first.push_back(first.back() + parameter.copies());
  return first;
}

// Room for `touched` experts of every stacked parameter.
size_t expert_bytes(const ParameterStore& store, int touched) {
  size_t bytes = 0;
  for (const Parameter& parameter : store.all()) {
    if (parameter.experts == 0) continue;
    bytes += (part_size(parameter) * sizeof(real) + Arena::kAlignment) * std::min(touched, parameter.experts);
  }
  return bytes;
}

// A stacked parameter [E, ...] without its first dimension.
Shape expert_shape(const Parameter& parameter) {
  return View<real>{nullptr, parameter.shape}.row(0).shape;
}

}  // namespace

BatchGradient::BatchGradient(const ParameterStore& store) : store_(store), first_slot_(first_parts(store)) {
  sum_ = memory_.allocate<real>(store.size());
  touched_.resize(first_slot_.back());
  clear();
}

void BatchGradient::clear() {
  std::fill(touched_.begin(), touched_.end(), char{false});
}

void BatchGradient::add(ParamId id, int expert, const real* gradient) {
  const Parameter& parameter = store_[id];
  const int64_t size = part_size(parameter);
  real* sum = sum_ + parameter.offset + expert * size;
  char& touched = touched_[first_slot_[id.index] + expert];
  if (touched) {
    kernels().add(size, sum, gradient, sum);
  } else {
    std::copy(gradient, gradient + size, sum);
  }
  touched = true;
}

void BatchGradient::complete(ParamId id) {
  const Parameter& parameter = store_[id];
  const int64_t size = part_size(parameter);
  for (int e = 0; e < parameter.copies(); ++e) {
    if (touched_[first_slot_[id.index] + e]) continue;
    real* sum = sum_ + parameter.offset + e * size;
    std::fill(sum, sum + size, real{0});
  }
}

void BatchGradient::complete() {
  for (int i = 0; i < store_.count(); ++i) complete({i});
}

Gradients::Gradients(const ParameterStore& store, int touched)
    : store_(store), first_slot_(first_parts(store)) {
  dense_ = dense_memory_.allocate<real>(store.dense_size());
  slots_.resize(first_slot_.back(), nullptr);
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
  if (fresh) data = expert_memory_.allocate<real>(part_size(parameter));
  return {{data, expert_shape(parameter)}, fresh};
}

Tensor Gradients::zeroed(const Target& target) {
  if (target.fresh) std::fill(target.tensor.begin(), target.tensor.end(), real{0});
  return target.tensor;
}

void Gradients::add_to(BatchGradient& total) const {
  for (int i = 0; i < store_.count(); ++i) {
    for (int e = 0; e < store_[{i}].copies(); ++e) {
      if (const real* data = slot({i}, e)) total.add({i}, e, data);
    }
  }
}

}  // namespace vmoe
