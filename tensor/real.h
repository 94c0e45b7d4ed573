#pragma once

namespace vmoe {

/// The number type of every tensor: float, or double in the gradient-check build (`make check-f64`).
#ifdef VMOE_F64
using real = double;
#else
using real = float;
#endif

}  // namespace vmoe
