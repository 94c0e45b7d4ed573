// Rows of autograd/tokens.cpp and convolution.cpp.

#include "tests/autograd/op_table.h"

namespace vmoe::testing {

namespace {

using In = const std::vector<Var>&;

With at(const std::string& setting, double value) {
  return {.settings = {{setting, value}}};
}

OpRow mean_tokens_row() {
  OpRow row{"mean_tokens",
            [](Tape& t, const OpCase& c, In in) { return mean_tokens(t, in[0], c.integer("first")); }};
  row.add("one number", {{"x", {1, 1, 1}}}, at("first", 0));
  row.add("all tokens", {{"x", {2, 3, 5}}}, at("first", 0));
  row.add("without the class token", {{"x", {2, 4, 3}}}, at("first", 1));
  row.add("the last token alone", {{"x", {3, 3, 2}}}, at("first", 2));
  row.add("wider than a vector", {{"x", {1, 3, 19}}}, at("first", 1));
  row.add("odd sizes", {{"x", {3, 7, 5}}}, at("first", 2));
  row.add_large("many tokens", {{"x", {6, 65, 96}}}, at("first", 1));
  row.refuse("no tokens left", {{"x", {2, 3, 4}}}, at("first", 3));
  row.refuse("a token before the first", {{"x", {2, 3, 4}}}, at("first", -1));
  row.refuse("images without tokens", {{"x", {2, 3}}}, at("first", 0));
  return row;
}

OpRow select_token_row() {
  OpRow row{"select_token",
            [](Tape& t, const OpCase& c, In in) { return select_token(t, in[0], c.integer("index")); }};
  row.add("one number", {{"x", {1, 1, 1}}}, at("index", 0));
  row.add("the class token", {{"x", {2, 3, 5}}}, at("index", 0));
  row.add("the last token", {{"x", {2, 4, 3}}}, at("index", 3));
  row.add("one in the middle", {{"x", {3, 3, 2}}}, at("index", 1));
  row.add("wider than a vector", {{"x", {1, 2, 19}}}, at("index", 1));
  row.add("odd sizes", {{"x", {3, 7, 5}}}, at("index", 4));
  row.add_large("many images", {{"x", {30, 17, 96}}}, at("index", 0));
  row.refuse("a token that is not there", {{"x", {2, 3, 4}}}, at("index", 3));
  row.refuse("a token before the first", {{"x", {2, 3, 4}}}, at("index", -1));
  row.refuse("images without tokens", {{"x", {2, 3}}}, at("index", 0));
  return row;
}

OpRow prepend_token_row() {
  OpRow row{"prepend_token", [](Tape& t, const OpCase&, In in) { return prepend_token(t, in[0], in[1]); }};
  row.add("one number", {{"x", {1, 1, 1}}, {"token", {1}}});
  row.add("images", {{"x", {2, 3, 5}}, {"token", {5}}});
  row.add("one token", {{"x", {3, 1, 4}}, {"token", {4}}});
  row.add("wider than a vector", {{"x", {1, 2, 19}}, {"token", {19}}});
  row.add("constant images", {{"x", {2, 2, 3}, Fill::normal, false}, {"token", {3}}});
  row.add("a constant token", {{"x", {2, 2, 3}}, {"token", {3}, Fill::normal, false}});
  row.add("odd sizes", {{"x", {3, 5, 7}}, {"token", {7}}});
  row.add_large("many tokens", {{"x", {4, 64, 96}}, {"token", {96}}});
  row.refuse("a token of another width", {{"x", {2, 3, 4}}, {"token", {5}}});
  return row;
}

SlidingWindow window_of(const OpCase& c) {
  return {c.integer("height"), c.integer("width"), c.integer("size"), c.integer("stride"),
          c.integer("padding")};
}

With window(int height, int width, int size, int stride, int padding) {
  return {
      .settings = {
          {"height", height}, {"width", width}, {"size", size}, {"stride", stride}, {"padding", padding}}};
}

// The three ops see images as planes [B, C, height, width] or as tokens [B, height*width, C].
OpRow window_row(const std::string& name, Var (*apply)(Tape&, const OpCase&, In), bool planes, Fill fill) {
  OpRow row{name, apply};
  const auto images = [=](int64_t batch, int64_t channels, int64_t height, int64_t width) {
    return std::vector<Draw>{
        {"x", planes ? Shape{batch, channels, height, width} : Shape{batch, height * width, channels}, fill}};
  };
  row.add("one pixel", images(1, 1, 1, 1), window(1, 1, 1, 1, 0));
  row.add("patches", images(2, 3, 4, 4), window(4, 4, 2, 2, 0));
  row.add("overlapping windows", images(1, 2, 5, 5), window(5, 5, 3, 1, 0));
  row.add("padding", images(2, 1, 3, 3), window(3, 3, 3, 1, 1));
  row.add("padding and stride, height unlike width", images(1, 2, 4, 6), window(4, 6, 3, 2, 1));
  row.add("pixels left over", images(1, 1, 5, 7), window(5, 7, 2, 2, 0));
  row.add("gaps between windows", images(1, 3, 5, 5), window(5, 5, 1, 2, 0));
  row.add_large("an image", images(2, 3, 24, 24), window(24, 24, 3, 2, 1));
  row.refuse("an image of another size", images(1, 3, 4, 5), window(4, 4, 2, 2, 0));
  row.refuse("a window larger than the image", images(1, 3, 2, 2), window(2, 2, 3, 1, 0));
  return row;
}

}  // namespace

std::vector<OpRow> token_rows() {
  return {mean_tokens_row(), select_token_row(), prepend_token_row()};
}

std::vector<OpRow> window_rows() {
  return {
      window_row(
          "unfold_planes",
          [](Tape& t, const OpCase& c, In in) { return unfold_planes(t, in[0], window_of(c)); }, true,
          Fill::normal),
      window_row(
          "unfold_tokens",
          [](Tape& t, const OpCase& c, In in) { return unfold_tokens(t, in[0], window_of(c)); }, false,
          Fill::normal),
      window_row(
          "max_pool", [](Tape& t, const OpCase& c, In in) { return max_pool(t, in[0], window_of(c)); }, false,
          Fill::distinct),
  };
}

}  // namespace vmoe::testing
