// Rows of autograd/routing.cpp.

#include <algorithm>

#include "tests/autograd/op_table.h"

namespace vmoe::testing {

namespace {

using In = const std::vector<Var>&;

std::vector<int> random_indices(int count, uint32_t below) {
  Random random(11, Stream::test, static_cast<uint32_t>(count), below);
  std::vector<int> list(count);
  for (int& index : list) index = static_cast<int>(random.below(below));
  return list;
}

OpRow gather_rows_row() {
  OpRow row{"gather_rows",
            [](Tape& t, const OpCase& c, In in) { return gather_rows(t, in[0], c.index("index")); }};
  const auto index = [](std::vector<int> list) { return With{.indices = {{"index", std::move(list)}}}; };
  row.add("one number", {{"x", {1, 1}}}, index({0}));
  row.add("a permutation", {{"x", {4, 3}}}, index({2, 0, 3, 1}));
  row.add("rows left out", {{"x", {5, 2}}}, index({4, 1}));
  row.add("a row three times", {{"x", {3, 5}}}, index({1, 1, 2, 1}));
  row.add("wider than a vector", {{"x", {2, 19}}}, index({1, 0, 1}));
  row.add("no assignments", {{"x", {3, 4}}}, index({}));
  row.add_large("many assignments", {{"x", {100, 96}}}, index(random_indices(200, 100)));
  row.refuse("a row behind the last", {{"x", {3, 4}}}, index({0, 3}));
  row.refuse("a negative row", {{"x", {3, 4}}}, index({0, 1, -1}));
  row.refuse("a row of no rows", {{"x", {0, 4}}}, index({0}));
  row.refuse("images of tokens", {{"x", {3, 2, 4}}}, index({0}));
  return row;
}

OpRow gather_entries_row() {
  OpRow row{"gather_entries", [](Tape& t, const OpCase& c, In in) {
              return gather_entries(t, in[0], c.index("row"), c.index("column"));
            }};
  const auto places = [](std::vector<int> rows, std::vector<int> columns) {
    return With{.indices = {{"row", std::move(rows)}, {"column", std::move(columns)}}};
  };
  row.add("one number", {{"p", {1, 1}}}, places({0}, {0}));
  row.add("top-1", {{"p", {4, 3}}}, places({0, 1, 2, 3}, {2, 0, 0, 1}));
  row.add("top-2", {{"p", {2, 5}}}, places({0, 0, 1, 1}, {4, 1, 0, 3}));
  row.add("an entry twice", {{"p", {3, 2}}}, places({1, 1, 2}, {0, 0, 1}));
  row.add("sorted by expert", {{"p", {5, 3}}}, places({3, 0, 4, 1, 2}, {0, 1, 1, 2, 2}));
  row.add("no assignments", {{"p", {2, 2}}}, places({}, {}));
  row.add_large("many assignments", {{"p", {100, 16}}},
                places(random_indices(300, 100), random_indices(300, 16)));
  row.refuse("a row behind the last", {{"p", {3, 4}}}, places({0, 3}, {0, 0}));
  row.refuse("a column behind the last, though the number lies in p", {{"p", {3, 4}}},
             places({0, 1}, {0, 4}));
  row.refuse("a negative row", {{"p", {3, 4}}}, places({-1}, {0}));
  row.refuse("a negative column, though the number lies in p", {{"p", {3, 4}}}, places({1}, {-1}));
  row.refuse("a row without a column", {{"p", {3, 4}}}, places({0, 1}, {0}));
  row.refuse("images of tokens", {{"p", {3, 2, 4}}}, places({0}, {0}));
  return row;
}

OpRow combine_rows_row() {
  OpRow row{"combine_rows", [](Tape& t, const OpCase& c, In in) {
              return combine_rows(t, in[0], in[1], c.index("index"), c.integer("rows"));
            }};
  const auto to = [](std::vector<int> index, double rows) {
    return With{.settings = {{"rows", rows}}, .indices = {{"index", std::move(index)}}};
  };
  row.add("one number", {{"x", {1, 1}}, {"gate", {1}}}, to({0}, 1));
  row.add("a permutation", {{"x", {4, 3}}, {"gate", {4}}}, to({2, 0, 3, 1}, 4));
  row.add("two assignments a row", {{"x", {4, 5}}, {"gate", {4}}}, to({0, 1, 1, 0}, 2));
  row.add("rows without assignment", {{"x", {2, 3}}, {"gate", {2}}}, to({3, 1}, 5));
  row.add("wider than a vector", {{"x", {3, 19}}, {"gate", {3}}}, to({1, 0, 1}, 2));
  row.add("a constant gate", {{"x", {3, 2}}, {"gate", {3}, Fill::normal, false}}, to({0, 0, 1}, 2));
  row.add("constant rows", {{"x", {3, 2}, Fill::normal, false}, {"gate", {3}}}, to({0, 0, 1}, 2));
  row.add("no assignments", {{"x", {0, 2}}, {"gate", {0}}}, to({}, 3));
  row.add_large("many assignments", {{"x", {200, 96}}, {"gate", {200}}}, to(random_indices(200, 100), 100));
  row.refuse("a gate too many", {{"x", {3, 2}}, {"gate", {4}}}, to({0, 0, 1}, 2));
  row.refuse("a row behind the last", {{"x", {2, 3}}, {"gate", {2}}}, to({0, 2}, 2));
  row.refuse("a negative row", {{"x", {2, 3}}, {"gate", {2}}}, to({-1, 0}, 2));
  row.refuse("an assignment too many", {{"x", {3, 2}}, {"gate", {3}}}, to({0, 0, 1, 1}, 2));
  return row;
}

OpRow expert_linear_row() {
  OpRow row{"expert_linear", [](Tape& t, const OpCase& c, In in) {
              return expert_linear(t, in[0], in[1], in[2], c.index("first"));
            }};
  const auto experts = [](int64_t rows, int64_t experts, int64_t out, int64_t in) {
    return std::vector<Draw>{{"x", {rows, in}}, {"weight", {experts, out, in}}, {"bias", {experts, out}}};
  };
  const auto first = [](std::vector<int> list) { return With{.indices = {{"first", std::move(list)}}}; };
  row.add("one expert, one number", experts(1, 1, 1, 1), first({0, 1}));
  row.add("one expert", experts(3, 1, 4, 5), first({0, 3}));
  row.add("equal shares", experts(4, 2, 3, 2), first({0, 2, 4}));
  row.add("an expert without rows", experts(5, 3, 3, 4), first({0, 2, 2, 5}));
  row.add("all rows on the last expert", experts(3, 4, 2, 3), first({0, 0, 0, 0, 3}));
  row.add("wider than a panel", experts(4, 2, 35, 2), first({0, 1, 4}));
  row.add("no rows at all", experts(0, 2, 3, 2), first({0, 0, 0}));
  row.add("constant rows", {{"x", {4, 3}, Fill::normal, false}, {"weight", {2, 2, 3}}, {"bias", {2, 2}}},
          first({0, 1, 4}));
  row.add("a constant weight", {{"x", {4, 3}}, {"weight", {2, 2, 3}, Fill::normal, false}, {"bias", {2, 2}}},
          first({0, 1, 4}));
  row.add_large("many rows", experts(260, 4, 120, 96), first({0, 65, 65, 100, 260}));
  row.refuse("rows of another width", {{"x", {3, 4}}, {"weight", {1, 2, 5}}, {"bias", {1, 2}}},
             first({0, 3}));
  row.refuse("a bias of another width", {{"x", {3, 4}}, {"weight", {1, 2, 4}}, {"bias", {1, 3}}},
             first({0, 3}));
  row.refuse("rows of no expert", experts(3, 1, 2, 4), first({0, 2}));
  row.refuse("an expert whose end is missing", experts(3, 2, 2, 4), first({0, 3}));
  row.refuse("an end too many", experts(3, 1, 2, 4), first({0, 3, 3}));
  row.refuse("rows that run backwards", experts(3, 2, 2, 4), first({0, 4, 3}));
  row.refuse("rows before the first", experts(3, 2, 2, 4), first({-1, 1, 3}));
  row.refuse("rows of no expert at the start", experts(3, 2, 2, 4), first({1, 2, 3}));
  return row;
}

// Inputs of expert_mlp; `base` may be left out.
std::vector<Draw> mlps(const Shape& x, int64_t assignments, int64_t experts, int64_t hidden,
                       bool base = true) {
  const int64_t width = x[x.rank() - 1];
  std::vector<Draw> draws = {{"x", x},
                             {"gate", {assignments}},
                             {"fc1_weight", {experts, hidden, width}},
                             {"fc1_bias", {experts, hidden}},
                             {"fc2_weight", {experts, width, hidden}},
                             {"fc2_bias", {experts, width}}};
  if (base) draws.insert(draws.begin(), {"base", x});
  return draws;
}

std::vector<Draw> constant(std::vector<Draw> draws, const std::vector<std::string>& names) {
  for (Draw& draw : draws) {
    if (std::find(names.begin(), names.end(), draw.name) != names.end()) draw.differentiable = false;
  }
  return draws;
}

OpRow expert_mlp_row() {
  OpRow row{"expert_mlp", [](Tape& t, const OpCase& c, In in) {
              const size_t x = c.inputs[0].name == "base" ? 1 : 0;
              return expert_mlp(t, x ? in[0] : Var{}, in[x], in[x + 1], c.index("unit"), c.index("first"),
                                c.integer("units"), {in[x + 2], in[x + 3]},
                                c.integer("tanh") ? Activation::gelu_tanh : Activation::gelu,
                                {in[x + 4], in[x + 5]});
            }};
  const auto route = [](double units, std::vector<int> unit, std::vector<int> first, double tanh = 0) {
    return With{.settings = {{"units", units}, {"tanh", tanh}},
                .indices = {{"unit", std::move(unit)}, {"first", std::move(first)}}};
  };

  row.add("one expert, one number", mlps({1, 1}, 1, 1, 1), route(1, {0}, {0, 1}));
  row.add("images, one expert each", mlps({3, 2, 4}, 3, 3, 5), route(3, {1, 0, 2}, {0, 1, 1, 3}));
  row.add("images, two experts each", mlps({2, 3, 2}, 4, 3, 4), route(2, {0, 0, 1, 1}, {0, 1, 3, 4}));
  row.add("tokens", mlps({2, 3, 4}, 6, 2, 3), route(6, {0, 2, 5, 1, 3, 4}, {0, 3, 6}));
  row.add("without base", mlps({3, 4}, 3, 2, 5, false), route(3, {2, 0, 1}, {0, 2, 3}));
  row.add("by tanh", mlps({2, 2, 3}, 2, 2, 4), route(2, {0, 1}, {0, 1, 2}, 1));
  row.add("units that no expert took", mlps({4, 3}, 2, 2, 3), route(4, {3, 1}, {0, 0, 2}));
  row.add("hidden numbers wider than a panel", mlps({3, 2}, 3, 2, 35), route(3, {0, 2, 1}, {0, 2, 3}));
  row.add("no assignments", mlps({2, 3}, 0, 2, 3), route(2, {}, {0, 0, 0}));
  row.add("a constant input", constant(mlps({2, 2, 3}, 2, 2, 4), {"base", "x"}), route(2, {0, 1}, {0, 1, 2}));
  row.add("constant parameters and gates",
          constant(mlps({2, 2, 3}, 2, 1, 4), {"gate", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"}),
          route(2, {0, 1}, {0, 2}));
  row.add_large("more rows than go through at a time", mlps({7, 50, 48}, 7, 3, 96),
                route(7, {0, 2, 3, 5, 6, 1, 4}, {0, 5, 5, 7}));
  row.add_large("more tokens than go through at a time", mlps({300, 48}, 300, 2, 96),
                route(300, random_indices(300, 300), {0, 199, 300}));
  row.refuse("units of half rows", mlps({3, 4}, 2, 1, 3), route(2, {0, 1}, {0, 2}));
  row.refuse("no units", mlps({3, 4}, 0, 1, 3), route(0, {}, {0, 0}));
  row.refuse("a unit behind the last", mlps({2, 4}, 2, 1, 3), route(2, {0, 2}, {0, 2}));
  row.refuse("a gate too many", mlps({2, 4}, 3, 1, 3), route(2, {0, 1}, {0, 2}));
  row.refuse("assignments of no expert", mlps({2, 4}, 2, 1, 3), route(2, {0, 1}, {0, 1}));
  row.refuse("assignments of no expert at the start", mlps({2, 4}, 2, 1, 3), route(2, {0, 1}, {1, 2}));
  row.refuse("assignments that run backwards", mlps({2, 4}, 2, 2, 3), route(2, {0, 1}, {0, 3, 2}));
  row.refuse("an expert whose end is missing", mlps({2, 4}, 2, 2, 3), route(2, {0, 1}, {0, 2}));
  for (const std::string name : {"base", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"}) {
    std::vector<Draw> draws = mlps({2, 4}, 2, 1, 3);
    for (Draw& draw : draws) {
      if (draw.name == name) draw.shape = draw.shape.rank() == 3 ? Shape{1, 3, 3} : Shape{2, 5};
    }
    row.refuse(name + " of another shape", draws, route(2, {0, 1}, {0, 2}));
  }
  return row;
}

}  // namespace

std::vector<OpRow> routing_rows() {
  return {gather_rows_row(), gather_entries_row(), combine_rows_row(), expert_linear_row(), expert_mlp_row()};
}

}  // namespace vmoe::testing
