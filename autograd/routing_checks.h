#pragma once
// Checks of the index lists that a router makes: a wrong index would read or write beside a tensor.

#include "tensor/tensor.h"

namespace vmoe {

/// Every index names one of the `count` rows or columns of x of shape `x`. Throws ShapeError naming `where`
/// and the entry.
void require_indices(const char* where, View<const int> index, int64_t count, const Shape& x);

}  // namespace vmoe
