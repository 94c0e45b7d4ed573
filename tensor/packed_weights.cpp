#include "tensor/packed_weights.h"

#include <algorithm>
#include <string>

#include "tensor/kernels/timed.h"

namespace vmoe {

namespace {

bool is_packed(const Parameter& parameter) {
  return parameter.role == Role::weight && parameter.shape.rank() >= (parameter.experts > 0 ? 3 : 2);
}

// Weights of few outputs fill no panel, and there is nothing to gain.
bool is_narrow(const NarrowWeights& narrow, const PackedWeight& weight, int parameter) {
  constexpr int64_t kLeastOutputs = 8;
  const auto excepts = [&](ParamId id) { return id.index == parameter; };
  return narrow.kernels && weight.outputs >= kLeastOutputs && weight.inputs <= kMostNarrowInputs &&
         std::none_of(narrow.except.begin(), narrow.except.end(), excepts);
}

}  // namespace

PackedWeights::PackedWeights(const ParameterStore& store, const Kernels& kernels, bool training,
                             const NarrowWeights& narrow)
    : store_(store),
      kernels_(kernels),
      attention_(narrow.attention),
      weights_(store.count()),
      first_job_(store.count()) {
  if (training && narrow.kernels && !narrow.kernels->trains()) {
    throw Error(ExitCode::internal, std::string("weights of ") + name_of(narrow.kernels->precision) +
                                        " by '" + narrow.kernels->name + "' are for inference alone");
  }
  size_t bytes = 0;
  for (int i = 0; i < store.count(); ++i) {
    const Parameter& parameter = store[{i}];
    if (!is_packed(parameter)) continue;
    PackedWeight& packed = weights_[i];
    packed.outputs = parameter.experts > 0 ? parameter.shape[1] : parameter.shape[0];
    packed.inputs = parameter.shape.count() / (parameter.copies() * packed.outputs);
    if (is_narrow(narrow, packed, i)) {
      packed.narrow = narrow.kernels;
      packed.codes_stride = narrow.kernels->packed_bytes(packed.inputs, packed.outputs);
      if (training)
        packed.backward_codes_stride = narrow.kernels->packed_bytes(packed.outputs, packed.inputs);
    } else {
      packed.forward_stride = kernels.packed_size(packed.inputs, packed.outputs);
      if (training) packed.backward_stride = kernels.packed_size(packed.outputs, packed.inputs);
    }
    bytes += parameter.copies() * ((packed.forward_stride + packed.backward_stride) * sizeof(real) +
                                   packed.codes_stride + packed.backward_codes_stride) +
             2 * Arena::kAlignment;
    first_job_[i] = pieces();
    for (int e = 0; e < parameter.copies(); ++e) jobs_.push_back({i, e});
  }
  memory_.reserve(bytes);  // one block: what grows piece by piece would end with room to spare
  for (int i = 0; i < store.count(); ++i) {
    PackedWeight& packed = weights_[i];
    if (packed.outputs == 0) continue;
    const int copies = store[{i}].copies();
    if (packed.narrow) {
      packed.codes = memory_.allocate<std::byte>(copies * packed.codes_stride);
      if (training)
        packed.backward_codes = memory_.allocate<std::byte>(copies * packed.backward_codes_stride);
      continue;
    }
    packed.forward = memory_.allocate<real>(copies * packed.forward_stride);
    if (training) packed.backward = memory_.allocate<real>(copies * packed.backward_stride);
  }
}

void PackedWeights::pack(int piece) {
  if (later_) {
    throw Error(ExitCode::internal,
                "'" + store_[{jobs_[piece].parameter}].name + "' was released; it cannot be packed again");
  }
  write(piece);
}

void PackedWeights::write(int piece) const {
  const auto [parameter, expert] = jobs_[piece];
  const PackedWeight& packed = weights_[parameter];
  const int64_t out = packed.outputs, in = packed.inputs;
  const real* w = store_.value({parameter}).data + expert * out * in;  // [out, in]
  // The packed copies are ours; PackedWeight shows them to readers as const.
  if (packed.narrow) {
    const TimedOutside timed(Outside::narrow_pack);
    packed.narrow->pack(in, out, w, in, const_cast<std::byte*>(packed.codes) + expert * packed.codes_stride);
    if (packed.backward_codes) {
      packed.narrow->pack_transposed(
          out, in, w, in,
          const_cast<std::byte*>(packed.backward_codes) + expert * packed.backward_codes_stride);
    }
    return;
  }
  kernels_.pack(in, out, w, 1, in, const_cast<real*>(packed.forward) + expert * packed.forward_stride);
  if (packed.backward) {
    kernels_.pack(out, in, w, in, 1, const_cast<real*>(packed.backward) + expert * packed.backward_stride);
  }
}

void PackedWeights::pack_all() {
  for (int i = 0; i < pieces(); ++i) pack(i);
}

void PackedWeights::pack_and_release(ParameterStore& store) {
  later_ = std::make_unique<Later>(store, jobs_.size());
  for (int i = 0; i < pieces(); ++i) {
    if (store_[{jobs_[i].parameter}].experts == 0) write_and_release(i);
  }
}

void PackedWeights::write_and_release(int piece) const {
  write(piece);
  later_->store.release({jobs_[piece].parameter}, jobs_[piece].expert);
  later_->ready[piece].store(true, std::memory_order_release);
}

int PackedWeights::waiting() const {
  if (!later_) return 0;
  return static_cast<int>(std::count(later_->ready.begin(), later_->ready.end(), false));
}

const PackedWeight* PackedWeights::of_expert(ParamId id, int expert) const {
  const PackedWeight* packed = of(id);
  if (!packed || !later_) return packed;
  const int piece = first_job_[id.index] + expert;
  if (later_->ready[piece].load(std::memory_order_acquire)) return packed;
  const std::lock_guard lock(later_->one_at_a_time);
  if (!later_->ready[piece].load(std::memory_order_relaxed)) write_and_release(piece);
  return packed;
}

const PackedWeight* PackedWeights::of(ParamId id) const {
  return id && weights_[id.index].outputs > 0 ? &weights_[id.index] : nullptr;
}

}  // namespace vmoe
