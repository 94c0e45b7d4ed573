#pragma once
// The kernels of tensor/kernels/vector_tiles.h over emulated tile registers: what processors with AMX run,
// but for the instructions themselves.

#include <vector>

#include "tensor/kernels/narrow.h"

namespace vmoe::testing {

/// "emulated tiles", one table a precision; none in a double build.
const std::vector<const NarrowKernels*>& emulated_narrow_kernels();

/// Whether some thread holds emulated tiles that it has not released.
bool emulated_tiles_held();

}  // namespace vmoe::testing
