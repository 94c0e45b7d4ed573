#pragma once
// Reads the golden files under tests/fixtures.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensor/real.h"
#include "tensor/tensor.h"

namespace vmoe::testing {

/// tests/fixtures/NAME, looked for in the current directory and the folders above it, so that the test
/// programs run from the repository or from a build folder inside it. Throws std::runtime_error naming the
/// file.
std::filesystem::path fixture_path(const std::string& name);

/// A JSON fixture.
nlohmann::json read_fixture(const std::string& name);

/// A JSON array of numbers, rounded to T.
template <class T>
std::vector<T> numbers(const nlohmann::json& array) {
  std::vector<T> values;
  values.reserve(array.size());
  for (const auto& number : array) values.push_back(static_cast<T>(number.get<double>()));
  return values;
}

/// A JSON array of sizes as a shape.
Shape shape_from(const nlohmann::json& sizes);
/// The same from a list of integers.
Shape shape_from(const std::vector<int>& sizes);

}  // namespace vmoe::testing
