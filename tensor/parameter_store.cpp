#include "tensor/parameter_store.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "tensor/random.h"

namespace vmoe {

namespace {

constexpr int64_t kAlign = 16;  // numbers: every parameter starts on a cache line

int64_t aligned(int64_t count) {
  return (count + kAlign - 1) / kAlign * kAlign;
}

/// Bytes of whole pages in the `count` numbers from `first`, and where they begin.
struct Pages {
  Pages(const real* first, int64_t count) {
    const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    begin = (reinterpret_cast<uintptr_t>(first) + page - 1) / page * page;
    const uintptr_t end = reinterpret_cast<uintptr_t>(first + count) / page * page;
    bytes = end > begin ? end - begin : 0;
  }
  uintptr_t begin;
  size_t bytes;
};

void draw(const Init& init, Tensor values, Random random) {
  for (real& value : values) {
    switch (init.kind) {
      case Init::Kind::zeros:
        value = 0;
        break;
      case Init::Kind::constant:
        value = static_cast<real>(init.scale);
        break;
      case Init::Kind::uniform:
        value = static_cast<real>(random.uniform(-init.scale, init.scale));
        break;
      case Init::Kind::normal:
        value = static_cast<real>(init.scale * random.normal());
        break;
      case Init::Kind::truncated_normal: {
        double x = random.normal();
        while (x < -2 || x > 2) x = random.normal();
        value = static_cast<real>(init.scale * x);
        break;
      }
    }
  }
}

}  // namespace

Init Init::glorot(int64_t inputs, int64_t outputs) {
  return truncated_normal(std::sqrt(2.0 / static_cast<double>(inputs + outputs)));
}

ParamId ParameterStore::add(std::string name, Shape shape, Role role, Init init, int experts) {
  if (block_)
    throw Error(ExitCode::internal, "parameter '" + name + "' is added after the block was laid out");
  if (find(name)) throw Error(ExitCode::internal, "parameter '" + name + "' is added twice");
  if (experts > 0 && shape[0] != experts) {
    throw ShapeError("parameter '" + name + "' stacks " + std::to_string(experts) +
                     " experts, but has shape " + to_string(shape));
  }
  parameters_.push_back({std::move(name), shape, role, init, experts, 0});
  return {count() - 1};
}

void ParameterStore::allocate() {
  int64_t offset = 0;
  for (const bool stacked : {false, true}) {
    for (Parameter& parameter : parameters_) {
      if ((parameter.experts > 0) != stacked) continue;
      parameter.offset = offset;
      offset += aligned(parameter.shape.count());
    }
    if (!stacked) dense_size_ = offset;
  }
  size_ = offset;
  released_ = std::vector<std::atomic<int>>(parameters_.size());
  block_ = memory_.allocate<real>(size_);  // fresh from the system, so zero
}

void ParameterStore::release(ParamId id, int expert) {
  if (whole_) whole_ = false;
  const int64_t count = (*this)[id].shape.count() / (*this)[id].copies();
  const Pages pages(block_ + (*this)[id].offset + expert * count, count);
  // Anonymous memory: the pages are gone at once, and would be zeros if they were read.
  if (pages.bytes > 0) madvise(reinterpret_cast<void*>(pages.begin), pages.bytes, MADV_DONTNEED);
  released_bytes_ += pages.bytes;
  ++released_[id.index];
}

real* ParameterStore::whole_block() const {
  if (!whole_)
    throw Error(ExitCode::internal, "the weights of this model were released when they were packed");
  return block_;
}

void ParameterStore::initialise(uint64_t seed) {
  for (int i = 0; i < count(); ++i) {
    draw(parameters_[i].init, value({i}), Random(seed, Stream::init, 0, static_cast<uint32_t>(i)));
  }
}

ParamId ParameterStore::find(const std::string& name) const {
  for (int i = 0; i < count(); ++i) {
    if (parameters_[i].name == name) return {i};
  }
  return {};
}

int64_t ParameterStore::parameter_count() const {
  int64_t total = 0;
  for (const Parameter& parameter : parameters_) total += parameter.shape.count();
  return total;
}

}  // namespace vmoe
