#pragma once
// The tables of narrow.h that this build holds. All of them compute in float: a double build has none.

#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/narrow.h"

namespace vmoe {

#ifndef VMOE_F64
extern const NarrowKernels kInt8_plain;
extern const NarrowKernels kInt8_baseline;
extern const NarrowKernels kBf16_plain;
#if defined(__x86_64__)
extern const NarrowKernels kInt8_avx2;
extern const NarrowKernels kInt8_avx_vnni;
extern const NarrowKernels kInt8_avx512;
extern const NarrowKernels kInt8_avx512_vnni;
extern const NarrowKernels kBf16_avx512_bf16;
extern const NarrowKernels kInt8_amx;
extern const NarrowKernels kBf16_amx;
#endif
#endif

/// Those that a machine of these features can run, of each precision the plain one first and the fastest
/// last.
std::vector<const NarrowKernels*> narrow_kernels_for(const CpuFeatures& features);

}  // namespace vmoe
