#include "tensor/packed_weights.h"

namespace vmoe {

PackedWeights::PackedWeights(const ParameterStore& store, const Kernels& kernels, bool training)
    : store_(store), kernels_(kernels) {
  for (int i = 0; i < store.count(); ++i) {
    const Parameter& parameter = store[{i}];
    PackedWeight packed;
    const int matrix_rank = parameter.experts > 0 ? 3 : 2;
    if (parameter.role == Role::weight && parameter.shape.rank() >= matrix_rank) {
      const int copies = parameter.experts > 0 ? parameter.experts : 1;
      packed.outputs = parameter.experts > 0 ? parameter.shape[1] : parameter.shape[0];
      packed.inputs = parameter.shape.count() / (copies * packed.outputs);
      packed.forward_stride = kernels.packed_size(packed.inputs, packed.outputs);
      packed.forward = memory_.allocate<real>(copies * packed.forward_stride);
      if (training) {
        packed.backward_stride = kernels.packed_size(packed.outputs, packed.inputs);
        packed.backward = memory_.allocate<real>(copies * packed.backward_stride);
      }
      for (int e = 0; e < copies; ++e) jobs_.push_back({i, e});
    }
    weights_.push_back(packed);
  }
}

void PackedWeights::pack(int piece) {
  const auto [parameter, expert] = jobs_[piece];
  const PackedWeight& packed = weights_[parameter];
  const int64_t out = packed.outputs, in = packed.inputs;
  const real* w = store_.data() + store_[{parameter}].offset + expert * out * in;  // [out, in]
  // The packed copies are ours; PackedWeight shows them to readers as const.
  kernels_.pack(in, out, w, 1, in, const_cast<real*>(packed.forward) + expert * packed.forward_stride);
  if (packed.backward) {
    kernels_.pack(out, in, w, in, 1, const_cast<real*>(packed.backward) + expert * packed.backward_stride);
  }
}

void PackedWeights::pack_all() {
  for (int i = 0; i < pieces(); ++i) pack(i);
}

const PackedWeight* PackedWeights::of(ParamId id) const {
  return id && weights_[id.index].outputs > 0 ? &weights_[id.index] : nullptr;
}

}  // namespace vmoe
