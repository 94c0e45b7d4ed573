#include "autograd/routing_checks.h"

#include <string>

#include "tensor/error.h"

namespace vmoe {

void require_indices(const char* where, View<const int> index, int64_t count, const Shape& x) {
  for (int64_t a = 0; a < index.count(); ++a) {
    if (index[a] >= 0 && index[a] < count) continue;
    throw ShapeError(std::string(where) + "[" + std::to_string(a) + "] is " + std::to_string(index[a]) +
                     ", expected at least 0 and below " + std::to_string(count) + " for shape " +
                     to_string(x));
  }
}

void require_ranges(const char* where, View<const int> first, int64_t experts, int64_t count) {
  require_shape(where, first.shape, {experts + 1});
  const auto complain = [&](int64_t e, const std::string& expected) {
    throw ShapeError(std::string(where) + "[" + std::to_string(e) + "] is " + std::to_string(first[e]) +
                     ", expected " + expected);
  };
  if (first[0] != 0) complain(0, "0");
  for (int64_t e = 0; e < experts; ++e) {
    if (first[e] <= first[e + 1]) continue;
    complain(e, "0 to first[" + std::to_string(e + 1) + "], which is " + std::to_string(first[e + 1]));
  }
  if (first[experts] != count) complain(experts, std::to_string(count) + ", how many there are");
}

}  // namespace vmoe
