// Rows of autograd/elementwise.cpp.

#include "tests/autograd/op_table.h"
#include "tests/support/fixture.h"

namespace vmoe::testing {

namespace {

using In = const std::vector<Var>&;

// The edges of a loop over numbers: one, fewer than a vector, just above one, odd rows, rank 1 to 4.
const std::vector<std::pair<std::string, Shape>> kShapes = {
    {"a single number", {1}},   {"an odd vector", {7}},          {"one row", {1, 17}},
    {"odd rows", {3, 5}},       {"images of tokens", {2, 3, 9}}, {"four dimensions", {2, 1, 3, 4}},
    {"an empty batch", {0, 4}},
};

OpRow binary_row(const std::string& name, Var (*apply)(Tape&, const OpCase&, In)) {
  OpRow row{name, apply};
  for (const auto& [what, shape] : kShapes) row.add(what, {{"a", shape}, {"b", shape}});
  row.add("a constant second factor", {{"a", {2, 5}}, {"b", {2, 5}, Fill::normal, false}});
  row.add_large("many rows", {{"a", {4, 50, 96}}, {"b", {4, 50, 96}}});
  row.refuse("another width", {{"a", {2, 3}}, {"b", {2, 4}}});
  row.refuse("the same count, other dimensions", {{"a", {2, 3}}, {"b", {3, 2}}});
  return row;
}

OpRow unary_row(const std::string& name, Var (*apply)(Tape&, const OpCase&, In), Fill fill = Fill::normal,
                const With& with = {}) {
  OpRow row{name, apply};
  for (const auto& [what, shape] : kShapes) row.add(what, {{"x", shape, fill}}, with);
  row.add_large("many rows", {{"x", {4, 50, 96}, fill}}, with);
  return row;
}

OpRow add_positions_row() {
  OpRow row{"add_positions", [](Tape& t, const OpCase&, In in) { return add_positions(t, in[0], in[1]); }};
  row.add("one image, one token", {{"x", {1, 1, 4}}, {"p", {1, 4}}});
  row.add("one number", {{"x", {3, 1}}, {"p", {1}}});
  row.add("odd sizes", {{"x", {3, 5, 7}}, {"p", {5, 7}}});
  row.add("wider than a vector", {{"x", {2, 2, 19}}, {"p", {2, 19}}});
  row.add("planes", {{"x", {2, 3, 2, 2}}, {"p", {3, 2, 2}}});
  row.add("constant images", {{"x", {2, 3, 4}, Fill::normal, false}, {"p", {3, 4}}});
  row.add("constant positions", {{"x", {2, 3, 4}}, {"p", {3, 4}, Fill::normal, false}});
  row.add_large("many tokens", {{"x", {4, 65, 96}}, {"p", {65, 96}}});
  row.refuse("positions for one token more", {{"x", {2, 3, 4}}, {"p", {4, 4}}});
  return row;
}

OpRow scale_channels_row() {
  OpRow row{"scale_channels", [](Tape& t, const OpCase&, In in) { return scale_channels(t, in[0], in[1]); }};
  row.add("one number", {{"x", {1, 1}}, {"gain", {1}}});
  row.add("one row", {{"x", {1, 9}}, {"gain", {9}}});
  row.add("odd rows", {{"x", {5, 3}}, {"gain", {3}}});
  row.add("images of tokens", {{"x", {2, 3, 17}}, {"gain", {17}}});
  row.add("a vector", {{"x", {6}}, {"gain", {6}}});
  row.add("constant rows", {{"x", {4, 5}, Fill::normal, false}, {"gain", {5}}});
  row.add("a constant gain", {{"x", {4, 5}}, {"gain", {5}, Fill::normal, false}});
  row.add_large("many rows", {{"x", {4, 50, 96}}, {"gain", {96}}});
  row.refuse("a gain of another width", {{"x", {4, 5}}, {"gain", {4}}});
  return row;
}

OpRow scale_images_row() {
  OpRow row{"scale_images", [](Tape& t, const OpCase&, In in) { return scale_images(t, in[0], in[1]); }};
  row.add("one number", {{"x", {1, 1}}, {"factor", {1}}});
  row.add("one image", {{"x", {1, 3, 5}}, {"factor", {1}}});
  row.add("odd images", {{"x", {5, 7}}, {"factor", {5}}});
  row.add("numbers", {{"x", {4}}, {"factor", {4}}});
  row.add("planes", {{"x", {2, 3, 3, 2}}, {"factor", {2}}});
  row.add("constant images", {{"x", {3, 2, 4}, Fill::normal, false}, {"factor", {3}}});
  row.add("a constant factor", {{"x", {3, 2, 4}}, {"factor", {3}, Fill::normal, false}});
  row.add_large("many images", {{"x", {9, 20, 96}}, {"factor", {9}}});
  row.refuse("a factor too many", {{"x", {3, 2, 4}}, {"factor", {4}}});
  return row;
}

OpRow reshape_row() {
  OpRow row{"reshape", [](Tape& t, const OpCase& c, In in) {
              return reshape(t, in[0], shape_from(c.indices.at("shape")));
            }};
  row.add("a single number", {{"x", {1}}}, {.indices = {{"shape", {1, 1, 1}}}});
  row.add("to a vector", {{"x", {3, 5}}}, {.indices = {{"shape", {15}}}});
  row.add("the same shape", {{"x", {2, 7}}}, {.indices = {{"shape", {2, 7}}}});
  row.add("rows to images of tokens", {{"x", {6, 4}}}, {.indices = {{"shape", {2, 3, 4}}}});
  row.add("images of tokens to rows", {{"x", {2, 3, 5}}}, {.indices = {{"shape", {6, 5}}}});
  row.add("four dimensions", {{"x", {2, 12}}}, {.indices = {{"shape", {2, 3, 2, 2}}}});
  row.add_large("many rows", {{"x", {4, 50, 96}}}, {.indices = {{"shape", {200, 96}}}});
  row.refuse("another count", {{"x", {2, 3}}}, {.indices = {{"shape", {7}}}});
  return row;
}

}  // namespace

std::vector<OpRow> elementwise_rows() {
  return {
      binary_row("add", [](Tape& t, const OpCase&, In in) { return add(t, in[0], in[1]); }),
      binary_row("mul", [](Tape& t, const OpCase&, In in) { return mul(t, in[0], in[1]); }),
      unary_row("scale",
                [](Tape& t, const OpCase& c, In in) {
                  return scale(t, in[0], static_cast<real>(c.setting("factor")));
                },
                Fill::normal, {.settings = {{"factor", -1.75}}}),
      add_positions_row(),
      scale_channels_row(),
      scale_images_row(),
      unary_row(
          "relu", [](Tape& t, const OpCase&, In in) { return relu(t, in[0]); }, Fill::off_zero),
      unary_row("gelu", [](Tape& t, const OpCase&, In in) { return gelu(t, in[0]); }),
      unary_row("gelu_tanh", [](Tape& t, const OpCase&, In in) { return gelu_tanh(t, in[0]); }),
      reshape_row(),
  };
}

}  // namespace vmoe::testing
