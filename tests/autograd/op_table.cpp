#include "tests/autograd/op_table.h"

#include <stdexcept>

#include "tensor/hash.h"

namespace vmoe::testing {

namespace {

std::vector<real> draw_values(const Draw& draw, Random random) {
  const int64_t count = draw.shape.count();
  std::vector<real> values(count);
  std::vector<int> order(count);
  for (int64_t i = 0; i < count; ++i) order[i] = static_cast<int>(i);
  shuffle(order.data(), static_cast<uint32_t>(count), random);
  for (int64_t i = 0; i < count; ++i) {
    double value = random.normal();
    if (draw.fill == Fill::off_zero)
      value = (value < 0 ? -0.1 : 0.1) + random.uniform(-1.5, 0) * (value < 0 ? 1 : -1);
    if (draw.fill == Fill::distinct) value = (order[i] - static_cast<double>(count) / 2) / 32;
    if (draw.fill == Fill::probabilities) value = random.uniform(0.1, 1);
    values[i] = static_cast<real>(value);
  }
  if (draw.fill == Fill::probabilities) {
    const int64_t width = draw.shape[-1];
    for (int64_t r = 0; r < draw.shape.rows(); ++r) {
      double total = 0;
      for (int64_t i = 0; i < width; ++i) total += values[r * width + i];
      for (int64_t i = 0; i < width; ++i) values[r * width + i] /= static_cast<real>(total);
    }
  }
  return values;
}

// The same numbers in every run: a function of op, case and input.
uint64_t seed_of(const std::string& text) {
  Hash hash;
  hash.add(text.data(), text.size());
  return hash.value();
}

OpCase draw_case(const std::string& op, const std::string& what, const std::vector<Draw>& draws,
                 const With& with) {
  OpCase result{.what = what, .inputs = {}, .settings = with.settings, .indices = with.indices};
  for (const Draw& draw : draws) {
    const Random random(seed_of(op + what + draw.name), Stream::test);
    result.inputs.push_back({draw.name, draw.shape, draw_values(draw, random), draw.differentiable});
  }
  return result;
}

std::vector<OpRow> all_rows() {
  std::vector<OpRow> rows;
  for (const auto& family :
       {elementwise_rows(), product_rows(), token_rows(), window_rows(), routing_rows()}) {
    rows.insert(rows.end(), family.begin(), family.end());
  }
  return rows;
}

}  // namespace

OpRow& OpRow::add(const std::string& what, const std::vector<Draw>& draws, const With& with) {
  cases.push_back(draw_case(name, what, draws, with));
  return *this;
}

OpRow& OpRow::add_large(const std::string& what, const std::vector<Draw>& draws, const With& with) {
  large.push_back(draw_case(name, what, draws, with));
  return *this;
}

OpRow& OpRow::refuse(const std::string& what, const std::vector<Draw>& draws, const With& with) {
  refused.push_back(draw_case(name, what, draws, with));
  return *this;
}

const std::vector<OpRow>& op_table() {
  static const std::vector<OpRow> rows = all_rows();
  return rows;
}

const OpRow& row_of(const std::string& name) {
  for (const OpRow& row : op_table()) {
    if (row.name == name) return row;
  }
  throw std::out_of_range("the op table has no row '" + name + "'");
}

}  // namespace vmoe::testing
