#pragma once
// What this processor can do, as the processor and the kernel say it themselves (never by model name): a wide
// instruction may be used only if its bit is set and the operating system saves the registers it needs.

#include <cstdint>
#include <vector>

namespace vmoe {

/// Each is true only when it can be used: the processor has it, the operating system saves its registers, and
/// whatever it builds on is there too. On other architectures than x86-64 all are false.
struct CpuFeatures {
  bool avx2 = false;         // AVX2 and FMA
  bool avx512 = false;       // AVX-512 F, BW, DQ, VL (and FMA)
  bool avx_vnni = false;     // products of 8-bit numbers in 32-byte vectors
  bool avx512_vnni = false;  // the same in 64-byte vectors
  bool avx512_bf16 = false;  // dot products of bfloat16
  bool amx_tile = false;     // tile registers; the kernel has given this process leave to use them
  bool amx_int8 = false;     // tile products of 8-bit numbers
  bool amx_bf16 = false;     // tile products of bfloat16
};

/// Names of the features, as Linux spells them in /proc/cpuinfo where it has one word for it.
struct CpuFeatureName {
  const char* name;
  bool CpuFeatures::*feature;
};
const std::vector<CpuFeatureName>& cpu_feature_names();

/// This machine's, asked for once. The first call also asks Linux for leave to use tile registers, where the
/// processor has them (arch_prctl ARCH_REQ_XCOMP_PERM): it holds for all threads, also those that run
/// already.
const CpuFeatures& cpu_features();

/// The words that decide (Intel's Software Developer's Manual, volume 2A, CPUID, and volume 1, chapter 13).
struct CpuWords {
  uint32_t leaf1_ecx = 0;
  uint32_t leaf7_ebx = 0, leaf7_ecx = 0, leaf7_edx = 0;
  uint32_t leaf7_1_eax = 0;
  uint64_t xcr0 = 0;             // registers that the operating system saves; 0 without OSXSAVE
  bool tiles_permitted = false;  // the kernel's answer about tile registers
};
/// What they mean; apart from `cpu_features` so that a test can ask about machines it doesn't run on.
CpuFeatures features_of(const CpuWords& words);

}  // namespace vmoe
