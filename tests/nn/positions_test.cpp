// Fixed positions.

#include "nn/positions.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vmoe::testing {

namespace {

TEST_CASE("sine positions hold sine and cosine of the column, then of the row") {
  const std::vector<double> table = sincos_positions(3, 8);
  REQUIRE(table.size() == 9 * 8);
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 3; ++x) {
      const double* row = &table[(y * 3 + x) * 8];
      const double want[8] = {std::sin(x), std::sin(x / 100.0), std::cos(x), std::cos(x / 100.0),
                              std::sin(y), std::sin(y / 100.0), std::cos(y), std::cos(y / 100.0)};
      for (int i = 0; i < 8; ++i) CHECK(std::abs(row[i] - want[i]) <= 1e-12);
    }
  }
}

TEST_CASE("the class token's sine position is zero, and no parameter is added") {
  VitConfig config;
  config.image_size = 4;
  config.patch_size = 2;
  config.dim = 4;
  config.heads = 1;
  config.positions = Positions::sincos;
  config.pool = Pool::cls;
  ParameterStore store;
  const PositionEmbedding positions(store, config);
  CHECK(store.count() == 0);
  REQUIRE(positions.fixed.size() == 5 * 4);
  for (int i = 0; i < 4; ++i) CHECK(positions.fixed[i] == 0);
  CHECK(positions.fixed[4 + 1] == 1);  // cosine of column 0
}

}  // namespace

}  // namespace vmoe::testing
