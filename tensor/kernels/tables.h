#pragma once
// The tables that this build holds, by instruction set. The vector tables are float only: the double build
// (gradient checks) has the plain table alone.

#include <vector>

#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/kernels.h"

namespace vmoe {

extern const Kernels kKernels_plain;
#ifndef VMOE_F64
extern const Kernels kKernels_baseline;
#if defined(__x86_64__)
extern const Kernels kKernels_avx2;
extern const Kernels kKernels_avx512;
#endif
#endif

/// All of them, the plain one first, the widest last.
std::vector<const Kernels*> built_kernels();
/// Of them those that a machine with these features runs, in the same order.
std::vector<const Kernels*> kernels_for(const CpuFeatures& features);

}  // namespace vmoe
