#pragma once
// The tables that this build holds, by instruction set. The vector tables are float only: the double build
// (gradient checks) has the plain table alone.

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

}  // namespace vmoe
