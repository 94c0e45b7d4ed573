// Which table of kernels runs: the widest that this machine has, or the one asked for by name.

#include "tensor/kernels/kernels.h"

#include "tensor/error.h"
#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/tables.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace vmoe {

namespace {

const Kernels*& chosen() {
  static const Kernels* table = available_kernels().back();
  return table;
}

}  // namespace

std::vector<const Kernels*> built_kernels() {
  CpuFeatures everything;
  for (const auto& [name, feature] : cpu_feature_names()) everything.*feature = true;
  return kernels_for(everything);
}

std::vector<const Kernels*> kernels_for([[maybe_unused]] const CpuFeatures& features) {
  std::vector<const Kernels*> tables = {&kKernels_plain};
#ifndef VMOE_F64
  tables.push_back(&kKernels_baseline);
#if defined(__x86_64__)
  if (features.avx2) tables.push_back(&kKernels_avx2);
  if (features.avx512) tables.push_back(&kKernels_avx512);
#endif
#endif
  return tables;
}

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> tables = kernels_for(cpu_features());
  return tables;
}

const Kernels& kernels() {
  return *chosen();
}

void use_kernels(const std::string& name) {
  std::string names = "auto";
  for (const Kernels* table : available_kernels()) {
    if (name == table->name || name == "auto") chosen() = table;
    if (name == table->name) return;
    names += std::string(", ") + table->name;
  }
  if (name != "auto") {
    throw UsageError("this machine has no instruction set '" + name + "'; it has " + names);
  }
}

void use_kernels(const Kernels& table) {
  chosen() = &table;
}

void flush_denormals() {
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, and denormals are zero
#elif defined(__aarch64__)
  uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  asm volatile("msr fpcr, %0" : : "r"(control | uint64_t{1} << 24));
#endif
}

}  // namespace vmoe
