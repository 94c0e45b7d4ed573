#include "tests/support/fixture.h"

#include <fstream>
#include <stdexcept>

namespace vmoe::testing {

std::filesystem::path fixture_path(const std::string& name) {
  const std::filesystem::path relative = std::filesystem::path("tests/fixtures") / name;
  for (auto folder = std::filesystem::current_path();; folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / relative)) return folder / relative;
    if (folder == folder.parent_path()) break;
  }
  throw std::runtime_error(relative.string() + " not found: run the tests from the repository");
}

nlohmann::json read_fixture(const std::string& name) {
  std::ifstream file(fixture_path(name));
  return nlohmann::json::parse(file);
}

Shape shape_from(const nlohmann::json& sizes) {
  return shape_from(sizes.get<std::vector<int>>());
}

Shape shape_from(const std::vector<int>& sizes) {
  switch (sizes.size()) {
    case 0:
      return {};
    case 1:
      return {sizes[0]};
    case 2:
      return {sizes[0], sizes[1]};
    case 3:
      return {sizes[0], sizes[1], sizes[2]};
    case 4:
      return {sizes[0], sizes[1], sizes[2], sizes[3]};
    default:
      throw ShapeError("a shape has at most 4 dimensions");
  }
}

}  // namespace vmoe::testing
