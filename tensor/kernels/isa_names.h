#pragma once
// Names made of the instruction set for which a file is compiled, VMOE_ISA: a macro that is replaced first.

#define VMOE_JOIN(a, b) a##b
/// kKernels_ and avx2: kKernels_avx2.
#define VMOE_TABLE(prefix, isa) VMOE_JOIN(prefix, isa)
#define VMOE_STRING(text) #text
/// avx2: "avx2".
#define VMOE_NAME(isa) VMOE_STRING(isa)
