// Rows of autograd/linear.cpp, norm.cpp, softmax.cpp, attention.cpp and branches.cpp.

#include "tests/autograd/op_table.h"

namespace vmoe::testing {

namespace {

using In = const std::vector<Var>&;

OpRow linear_row() {
  OpRow row{"linear", [](Tape& t, const OpCase&, In in) {
              return linear(t, in[0], in[1], in.size() > 2 ? in[2] : Var{});
            }};
  row.add("one number", {{"x", {1, 1}}, {"weight", {1, 1}}, {"bias", {1}}});
  row.add("one row", {{"x", {1, 5}}, {"weight", {3, 5}}, {"bias", {3}}});
  row.add("odd sizes without bias", {{"x", {7, 3}}, {"weight", {5, 3}}});
  row.add("images of tokens", {{"x", {2, 3, 4}}, {"weight", {6, 4}}, {"bias", {6}}});
  row.add("wider than a panel", {{"x", {3, 4}}, {"weight", {35, 4}}, {"bias", {35}}});
  row.add("more rows than a tile", {{"x", {19, 2}}, {"weight", {3, 2}}, {"bias", {3}}});
  row.add("a convolution's weight", {{"x", {2, 4, 12}}, {"weight", {5, 3, 2, 2}}, {"bias", {5}}});
  row.add("a constant input", {{"x", {4, 3}, Fill::normal, false}, {"weight", {2, 3}}, {"bias", {2}}});
  row.add("a constant weight", {{"x", {4, 3}}, {"weight", {2, 3}, Fill::normal, false}, {"bias", {2}}});
  row.add("no rows", {{"x", {0, 3}}, {"weight", {2, 3}}, {"bias", {2}}});
  row.add_large("many rows", {{"x", {4, 65, 96}}, {"weight", {120, 96}}, {"bias", {120}}});
  row.add_large("one wide row", {{"x", {1, 192}}, {"weight", {384, 192}}, {"bias", {384}}});
  row.refuse("a weight of another width", {{"x", {4, 3}}, {"weight", {2, 4}}, {"bias", {2}}});
  row.refuse("a bias of another width", {{"x", {4, 3}}, {"weight", {2, 3}}, {"bias", {3}}});
  return row;
}

OpRow matmul_row(const std::string& name, Var (*apply)(Tape&, const OpCase&, In), bool transposed) {
  OpRow row{name, apply};
  const auto factors = [=](int64_t batch, int64_t m, int64_t k, int64_t n) {
    return std::vector<Draw>{{"a", {batch, m, k}},
                             {"b", transposed ? Shape{batch, n, k} : Shape{batch, k, n}}};
  };
  row.add("one number", factors(1, 1, 1, 1));
  row.add("one row, one column", factors(2, 1, 5, 1));
  row.add("an outer product", factors(1, 4, 1, 3));
  row.add("odd sizes", factors(3, 5, 3, 7));
  row.add("wider than a panel", factors(1, 2, 3, 35));
  row.add("more rows than a tile", factors(1, 19, 2, 3));
  row.add("a constant first factor", {{"a", {2, 3, 4}, Fill::normal, false}, factors(2, 3, 4, 5)[1]});
  row.add("a constant second factor",
          {{"a", {2, 3, 4}}, {"b", transposed ? Shape{2, 5, 4} : Shape{2, 4, 5}, Fill::normal, false}});
  row.add_large("many rows", factors(6, 50, 32, 50));
  row.refuse("inner sizes that differ", {{"a", {2, 3, 4}}, {"b", {2, 6, 6}}});
  row.refuse("batches that differ", {{"a", {2, 4, 4}}, {"b", {3, 4, 4}}});
  return row;
}

OpRow layer_norm_row() {
  OpRow row{"layer_norm", [](Tape& t, const OpCase& c, In in) {
              return layer_norm(t, in[0], in.size() > 1 ? in[1] : Var{}, in.size() > 1 ? in[2] : Var{},
                                static_cast<real>(c.setting("eps")));
            }};
  const With eps{.settings = {{"eps", 1e-3}}};
  row.add("a width of one", {{"x", {2, 1}}, {"gain", {1}}, {"bias", {1}}}, eps);
  row.add("one row", {{"x", {1, 5}}, {"gain", {5}}, {"bias", {5}}}, eps);
  row.add("odd rows", {{"x", {3, 7}}, {"gain", {7}}, {"bias", {7}}}, eps);
  row.add("images of tokens", {{"x", {2, 3, 8}}, {"gain", {8}}, {"bias", {8}}}, eps);
  row.add("wider than a vector", {{"x", {2, 19}}, {"gain", {19}}, {"bias", {19}}}, eps);
  row.add("without gain and bias", {{"x", {4, 6}}}, eps);
  row.add("a large epsilon", {{"x", {3, 4}}, {"gain", {4}}, {"bias", {4}}}, {.settings = {{"eps", 0.5}}});
  row.add("a constant input", {{"x", {3, 5}, Fill::normal, false}, {"gain", {5}}, {"bias", {5}}}, eps);
  row.add("a constant gain and bias",
          {{"x", {3, 5}}, {"gain", {5}, Fill::normal, false}, {"bias", {5}, Fill::normal, false}}, eps);
  row.add_large("many rows", {{"x", {4, 50, 96}}, {"gain", {96}}, {"bias", {96}}}, eps);
  row.refuse("a gain of another width", {{"x", {3, 5}}, {"gain", {4}}, {"bias", {5}}}, eps);
  row.refuse("a bias of another width", {{"x", {3, 5}}, {"gain", {5}}, {"bias", {4}}}, eps);
  return row;
}

OpRow softmax_row(const std::string& name, Var (*apply)(Tape&, const OpCase&, In)) {
  OpRow row{name, apply};
  row.add("one number", {{"x", {1, 1}}});
  row.add("rows of one", {{"x", {3, 1}}});
  row.add("one row", {{"x", {1, 7}}});
  row.add("odd rows", {{"x", {5, 3}}});
  row.add("images of tokens", {{"x", {2, 3, 4}}});
  row.add("wider than a vector", {{"x", {2, 35}}});
  row.add("a vector", {{"x", {6}}});
  row.add_large("many rows", {{"x", {6, 50, 50}}});
  return row;
}

OpRow softmax_cross_entropy_row() {
  OpRow row{"softmax_cross_entropy",
            [](Tape& t, const OpCase&, In in) { return softmax_cross_entropy(t, in[0], t.value(in[1])); }};
  const auto add = [&](const std::string& what, const Shape& shape) {
    row.add(what, {{"logits", shape}, {"targets", shape, Fill::probabilities, false}});
  };
  add("one class", {2, 1});
  add("two classes", {1, 2});
  add("one row", {1, 9});
  add("odd rows", {5, 3});
  add("wider than a vector", {2, 19});
  add("as many rows as classes", {7, 7});
  row.add_large("many rows", {{"logits", {64, 100}}, {"targets", {64, 100}, Fill::probabilities, false}});
  row.refuse("targets for another number of classes",
             {{"logits", {2, 3}}, {"targets", {2, 4}, Fill::probabilities, false}});
  return row;
}

OpRow sum_row() {
  OpRow row{"sum", [](Tape& t, const OpCase&, In in) { return sum(t, in[0]); }};
  row.add("one number", {{"x", {1}}});
  row.add("a vector", {{"x", {7}}});
  row.add("one row", {{"x", {1, 17}}});
  row.add("odd rows", {{"x", {5, 3}}});
  row.add("images of tokens", {{"x", {2, 3, 4}}});
  row.add("nothing", {{"x", {0, 4}}});
  row.add_large("many rows", {{"x", {64, 100}}});
  return row;
}

With heads(double count) {
  return {.settings = {{"heads", count}}};
}

OpRow attention_row() {
  OpRow row{"attention",
            [](Tape& t, const OpCase& c, In in) { return attention(t, in[0], c.integer("heads")); }};
  row.add("one token, one head of one", {{"qkv", {1, 1, 3}}}, heads(1));
  row.add("one token", {{"qkv", {2, 1, 12}}}, heads(2));
  row.add("one head", {{"qkv", {1, 5, 12}}}, heads(1));
  row.add("heads of one", {{"qkv", {1, 4, 9}}}, heads(3));
  row.add("odd sizes", {{"qkv", {3, 3, 18}}}, heads(2));
  row.add("more tokens than a tile", {{"qkv", {1, 19, 6}}}, heads(1));
  row.add("a wide head", {{"qkv", {1, 3, 51}}}, heads(1));
  row.add_large("many tokens", {{"qkv", {2, 65, 288}}}, heads(3));
  row.refuse("a width that the heads do not divide", {{"qkv", {1, 2, 12}}}, heads(3));
  row.refuse("a width that is not three parts", {{"qkv", {1, 2, 13}}}, heads(2));
  return row;
}

OpRow split_heads_row() {
  OpRow row{"split_heads", [](Tape& t, const OpCase& c, In in) {
              return split_heads(t, in[0], c.integer("heads"), c.integer("part"));
            }};
  const auto with = [](double heads, double part) {
    return With{.settings = {{"heads", heads}, {"part", part}}};
  };
  row.add("one token, one head of one", {{"qkv", {1, 1, 3}}}, with(1, 2));
  row.add("query", {{"qkv", {2, 3, 12}}}, with(2, 0));
  row.add("key", {{"qkv", {2, 3, 12}}}, with(2, 1));
  row.add("value", {{"qkv", {2, 3, 12}}}, with(2, 2));
  row.add("one head", {{"qkv", {1, 5, 9}}}, with(1, 1));
  row.add("odd sizes", {{"qkv", {3, 3, 27}}}, with(3, 0));
  row.add_large("many tokens", {{"qkv", {2, 65, 288}}}, with(3, 1));
  row.refuse("a width that the heads do not divide", {{"qkv", {1, 2, 12}}}, with(3, 0));
  return row;
}

OpRow merge_heads_row() {
  OpRow row{"merge_heads",
            [](Tape& t, const OpCase& c, In in) { return merge_heads(t, in[0], c.integer("heads")); }};
  row.add("one number", {{"x", {1, 1, 1}}}, heads(1));
  row.add("one token", {{"x", {4, 1, 3}}}, heads(2));
  row.add("one head", {{"x", {2, 3, 5}}}, heads(1));
  row.add("heads of one", {{"x", {3, 4, 1}}}, heads(3));
  row.add("odd sizes", {{"x", {6, 3, 5}}}, heads(3));
  row.add("one image", {{"x", {5, 2, 2}}}, heads(5));
  row.add_large("many tokens", {{"x", {6, 65, 32}}}, heads(3));
  row.refuse("items that the heads do not divide", {{"x", {5, 2, 2}}}, heads(2));
  return row;
}

// The inputs of a branch: x and, after those of its norm, two linear layers in -> out -> width.
std::vector<Draw> branch(const Shape& x, int64_t out, int64_t in_of_second, bool differentiable_x = true,
                         bool differentiable_rest = true) {
  const int64_t width = x[x.rank() - 1];
  const auto parameter = [=](const char* name, const Shape& shape) {
    return Draw{name, shape, Fill::normal, differentiable_rest};
  };
  return {{"x", x, Fill::normal, differentiable_x},
          parameter("gain", {width}),
          parameter("bias", {width}),
          parameter("first_weight", {out, width}),
          parameter("first_bias", {out}),
          parameter("second_weight", {width, in_of_second}),
          parameter("second_bias", {width})};
}

OpRow attention_branch_row() {
  OpRow row{"attention_branch", [](Tape& t, const OpCase& c, In in) {
              return attention_branch(t, in[0], {in[1], in[2], static_cast<real>(c.setting("eps"))},
                                      {in[3], in[4]}, c.integer("heads"), {in[5], in[6]});
            }};
  const auto with = [](double count) { return With{.settings = {{"eps", 1e-3}, {"heads", count}}}; };
  row.add("one token", branch({2, 1, 4}, 12, 4), with(2));
  row.add("one head", branch({1, 5, 4}, 12, 4), with(1));
  row.add("heads of one", branch({1, 4, 3}, 9, 3), with(3));
  row.add("odd sizes", branch({3, 3, 6}, 18, 6), with(2));
  row.add("more tokens than a tile", branch({1, 19, 2}, 6, 2), with(1));
  row.add("a constant input", branch({2, 3, 4}, 12, 4, false), with(2));
  row.add("constant parameters", branch({2, 2, 6}, 18, 6, true, false), with(2));
  row.add_large("more rows than go through at a time", branch({5, 50, 48}, 144, 48), with(3));
  row.refuse("queries, keys and values that are not three parts", branch({1, 2, 4}, 8, 4), with(2));
  row.refuse("a projection of another width", branch({1, 2, 4}, 12, 5), with(2));
  row.refuse("a width that the heads do not divide", branch({1, 2, 4}, 12, 4), with(3));
  return row;
}

OpRow mlp_branch_row() {
  OpRow row{"mlp_branch", [](Tape& t, const OpCase& c, In in) {
              return mlp_branch(t, in[0], {in[1], in[2], static_cast<real>(c.setting("eps"))}, {in[3], in[4]},
                                c.integer("tanh") ? Activation::gelu_tanh : Activation::gelu, {in[5], in[6]});
            }};
  const auto with = [](double tanh) { return With{.settings = {{"eps", 1e-3}, {"tanh", tanh}}}; };
  row.add("one row", branch({1, 5}, 7, 7), with(0));
  row.add("one hidden number", branch({3, 4}, 1, 1), with(0));
  row.add("images of tokens", branch({2, 3, 4}, 8, 8), with(0));
  row.add("by tanh", branch({2, 3, 4}, 8, 8), with(1));
  row.add("hidden numbers wider than a panel", branch({3, 2}, 35, 35), with(0));
  row.add("more rows than a tile", branch({19, 3}, 2, 2), with(0));
  row.add("a constant input", branch({2, 3, 4}, 8, 8, false), with(0));
  row.add("constant parameters", branch({2, 3, 4}, 8, 8, true, false), with(0));
  row.add_large("more rows than go through at a time", branch({5, 50, 48}, 96, 96), with(0));
  row.refuse("a second layer of another hidden width", branch({1, 2, 4}, 8, 7), with(0));
  return row;
}

}  // namespace

std::vector<OpRow> product_rows() {
  return {
      linear_row(),
      matmul_row(
          "matmul", [](Tape& t, const OpCase&, In in) { return matmul(t, in[0], in[1]); }, false),
      matmul_row(
          "matmul_transposed",
          [](Tape& t, const OpCase&, In in) { return matmul_transposed(t, in[0], in[1]); }, true),
      layer_norm_row(),
      softmax_row("softmax", [](Tape& t, const OpCase&, In in) { return softmax(t, in[0]); }),
      softmax_row("log_softmax", [](Tape& t, const OpCase&, In in) { return log_softmax(t, in[0]); }),
      softmax_cross_entropy_row(),
      sum_row(),
      attention_row(),
      split_heads_row(),
      merge_heads_row(),
      attention_branch_row(),
      mlp_branch_row(),
  };
}

}  // namespace vmoe::testing
