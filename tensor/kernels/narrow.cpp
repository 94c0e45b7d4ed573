// Which table computes a precision, beside the fp32 kernels in use.

#include "tensor/kernels/narrow.h"

#include <cstring>

#include "tensor/error.h"
#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/kernels.h"
#include "tensor/kernels/narrow_proof.h"
#include "tensor/kernels/narrow_tables.h"

namespace vmoe {

namespace {

constexpr Precision kPrecisions[] = {Precision::fp32, Precision::int8, Precision::bf16};

const ProvenKernels& proven() {
  static const ProvenKernels tables = prove(narrow_kernels_for(cpu_features()));
  return tables;
}

Precision fastest() {
  for (const Precision precision : {Precision::int8, Precision::bf16}) {
    const NarrowKernels* table = narrow_kernels(precision);
    if (table && table->faster_than_fp32) return precision;
  }
  return Precision::fp32;
}

// Tables are ordered: later ones are better.
template <class Usable>
const NarrowKernels* best_beside_kernels(Precision precision, const Usable& usable) {
  const NarrowKernels* best = nullptr;
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (table->precision == precision && std::strcmp(table->companion, kernels().name) == 0 && usable(*table))
      best = table;
  }
  return best;
}

UsageError cannot_be_had(const std::string& name, const std::string& there_is) {
  return UsageError("precision " + name + " cannot be had here with the instruction set '" + kernels().name +
                    "'" + (sizeof(real) == 8 ? " in a build of double numbers" : "") + "; it has " +
                    there_is);
}

}  // namespace

std::vector<const NarrowKernels*> narrow_kernels_for([[maybe_unused]] const CpuFeatures& cpu) {
  std::vector<const NarrowKernels*> tables;
#ifndef VMOE_F64
  tables = {&kInt8_plain, &kInt8_baseline, &kBf16_plain};
#if defined(__x86_64__)
  if (cpu.avx2) tables.push_back(&kInt8_avx2);
  if (cpu.avx_vnni) tables.push_back(&kInt8_avx_vnni);
  if (cpu.avx512) tables.push_back(&kInt8_avx512);
  if (cpu.avx512_vnni) tables.push_back(&kInt8_avx512_vnni);
  if (cpu.avx512_bf16) tables.push_back(&kBf16_avx512_bf16);
  if (cpu.avx512_bf16 && cpu.amx_int8 && cpu.amx_bf16) {
    tables.push_back(&kInt8_amx);
    tables.push_back(&kBf16_amx);
  }
#endif
#endif
  return tables;
}

const std::vector<const NarrowKernels*>& available_narrow_kernels() {
  return proven().offered;
}

const std::vector<const NarrowKernels*>& refused_narrow_kernels() {
  return proven().refused;
}

const NarrowKernels* narrow_kernels(Precision precision) {
  return best_beside_kernels(precision, [](const NarrowKernels&) { return true; });
}

const NarrowKernels* training_kernels(Precision precision) {
  return best_beside_kernels(precision, [](const NarrowKernels& table) { return table.trains(); });
}

const char* name_of(Precision precision) {
  switch (precision) {
    case Precision::int8:
      return "int8";
    case Precision::bf16:
      return "bf16";
    default:
      return "fp32";
  }
}

std::vector<Precision> available_precisions() {
  std::vector<Precision> found = {Precision::fp32};
  for (const Precision precision : {Precision::int8, Precision::bf16}) {
    if (narrow_kernels(precision)) found.push_back(precision);
  }
  return found;
}

Precision find_precision(const std::string& name) {
  if (name == "auto") return fastest();
  bool known = false;
  for (const Precision precision : kPrecisions) known |= name == name_of(precision);
  if (!known) throw UsageError("'" + name + "' is no precision; it must be fp32, int8, bf16 or auto");
  std::string names = "auto";
  for (const Precision precision : available_precisions()) {
    if (name == name_of(precision)) return precision;
    names += std::string(", ") + name_of(precision);
  }
  throw cannot_be_had(name, names);
}

Precision find_training_precision(const std::string& name) {
  const NarrowKernels* bf16 = training_kernels(Precision::bf16);
  if (name == "auto") return bf16 && bf16->faster_than_fp32 ? Precision::bf16 : Precision::fp32;
  if (name == name_of(Precision::fp32)) return Precision::fp32;
  if (name != name_of(Precision::bf16)) {
    throw UsageError("'" + name + "' is no precision to train in; it must be fp32, bf16 or auto");
  }
  if (!bf16) throw cannot_be_had(name, "auto, fp32");
  return Precision::bf16;
}

}  // namespace vmoe
