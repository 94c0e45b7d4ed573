#pragma once
// Proof before use: no machine of ours has every instruction that a table is written for, so each table shows
// on the machine that would use it that it computes what the plain one does, before it is offered.

#include <vector>

#include "tensor/kernels/narrow.h"

namespace vmoe {

struct ProvenKernels {
  std::vector<const NarrowKernels*> offered, refused;
};

/// Computes two small products by every table, one with odd edges in more than one block of rows, outputs and
/// k, one of a single number, and compares with the first table of the same precision, which is the
/// definition: int8 must be the same bytes, bf16 within the bound of narrow.h; and of one that trains, codes
/// of transposed matrices must be those of the matrices. About a millisecond.
ProvenKernels prove(const std::vector<const NarrowKernels*>& tables);

}  // namespace vmoe
