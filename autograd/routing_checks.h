#pragma once
// Checks of the index lists that a router makes: a wrong index would read or write beside a tensor.

#include "tensor/tensor.h"

namespace vmoe {

/// Every index names one of the `count` rows or columns of x of shape `x`. Throws ShapeError naming `where`
/// and the entry.
void require_indices(const char* where, View<const int> index, int64_t count, const Shape& x);

/// first[e] .. first[e + 1] - 1 is a range for each of the experts, the first of them begins at 0 and the last
/// ends at `count`. Throws ShapeError naming `where` ("expert_linear: first") and the entry.
void require_ranges(const char* where, View<const int> first, int64_t experts, int64_t count);

}  // namespace vmoe
