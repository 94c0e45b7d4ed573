// What a run says of its router.

#include "train/routing_report.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vmoe;

namespace {

RoutingStatistics of_load(std::vector<int64_t> images) {
  RoutingStatistics::Sums sums;
  for (const int64_t n : images) sums.units += n;
  sums.assignments = sums.units;
  sums.gate = 0.75 * static_cast<double>(sums.units);
  sums.probability.resize(images.size());
  for (size_t e = 0; e < images.size(); ++e) sums.probability[e] = static_cast<double>(images[e]);
  sums.kept = std::move(images);
  return RoutingStatistics(std::move(sums));
}

// Of a router of images, or of one of tokens in blocks 1, 3, ...
ModelRouting routing_of(std::vector<RoutingStatistics> decisions, Unit unit = Unit::image) {
  ModelRouting routing;
  routing.unit = unit;
  for (size_t i = 0; i < decisions.size(); ++i) routing.blocks.push_back(2 * static_cast<int>(i) + 1);
  routing.decisions = std::move(decisions);
  return routing;
}

// The line about an epoch with this load; empty if there is none.
std::string only(const std::vector<std::string>& lines) {
  CHECK(lines.size() <= 1);
  return lines.empty() ? "" : lines[0];
}
std::string problem(const RoutingWatch& watch, const RoutingStatistics& load, int number) {
  return only(watch.problems(routing_of({load}), number));
}
std::string news(RoutingWatch& watch, const RoutingStatistics& load, int number) {
  return only(watch.news(routing_of({load}), number));
}

MoeConfig mixture(int experts, std::vector<int> super_classes = {}) {
  MoeConfig config;
  config.router = "image";
  config.experts = experts;
  config.super_classes = std::move(super_classes);
  return config;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the record of a router says who got how many images") {
  const Record record = routing_record(routing_of({of_load({30, 0, 10})}));
  CHECK(record["images"] == Record::array({30, 0, 10}));
  CHECK(record["shares"] == Record::array({0.75, 0.0, 0.25}));
  CHECK(record["least_images"] == 0);
  CHECK(record["most_images"] == 30);
  const double entropy = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25)) / std::log(3);
  CHECK(std::abs(record["load_entropy"].get<double>() - entropy) <= 1e-12);
  CHECK(std::abs(record["mean_entropy"].get<double>() - entropy) <= 1e-12);
  CHECK(std::abs(record["max_violation"].get<double>() - 1.25) <= 1e-12);
  CHECK(std::abs(record["cv2_load"].get<double>() - (1.25 * 1.25 + 1 + 0.25 * 0.25) / 3) <= 1e-12);
  CHECK(record["gate"] == 0.75);
  CHECK(!record.contains("block"));
  CHECK(record["entropy"] == 0.0);
}

TEST_CASE("records of routers of tokens are lists, block by block") {
  const ModelRouting routing = routing_of({of_load({30, 0, 10}), of_load({10, 20, 10})}, Unit::token);
  const Record list = routing_record(routing);
  REQUIRE(list.size() == 2);
  CHECK(list[0]["block"] == 1);
  CHECK(list[0]["tokens"] == Record::array({30, 0, 10}));
  CHECK(list[1]["block"] == 3);
  CHECK(list[1]["tokens"] == Record::array({10, 20, 10}));
  CHECK(list[1]["least_tokens"] == 10);
  CHECK(list[1]["most_tokens"] == 20);
  CHECK(!list[1].contains("images"));
  CHECK(step_routing_record(routing)["idle_experts"] == Record::array({1, 0}));
  CHECK(step_routing_record(routing_of({of_load({30, 0, 10})}))["idle_experts"] == 1);
}

TEST_CASE("the load that is expected is that of a router which is always right") {
  const std::vector<int> labels = {0, 0, 0, 1, 2, 2, 2, 2};
  CHECK(expected_load_entropy(mixture(2), labels) == 1);
  CHECK(expected_load_entropy(mixture(1), labels) == 0);
  CHECK(std::abs(expected_load_entropy(mixture(2, {0, 0, 1}), labels) - 1) <= 1e-12);
  const double uneven = -(0.125 * std::log(0.125) + 0.875 * std::log(0.875)) / std::log(2);
  CHECK(std::abs(expected_load_entropy(mixture(2, {0, 1, 0}), labels) - uneven) <= 1e-12);
}

TEST_CASE("a router that sends nearly all to one expert brings a line that says so and what to do") {
  const RoutingWatch watch(mixture(3), 1);
  CHECK(problem(watch, of_load({10, 12, 9}), 1) == "");
  CHECK(problem(watch, of_load({60, 20, 20}), 1) == "");
  const std::string line = problem(watch, of_load({4, 95, 1}), 7);
  CHECK(contains(line, "epoch 7: the router collapses: expert 1 has 95.0 % of the images"));
  CHECK(contains(line, "--super-classes"));
  CHECK(line.find('\n') == std::string::npos);
  const RoutingWatch taught(mixture(3, {0, 1, 2}), 1);
  CHECK(contains(problem(taught, of_load({4, 95, 1}), 7), "raise --router-weight"));
}

TEST_CASE("a load that is uneven because the super-classes are is no collapse") {
  const RoutingStatistics load = of_load({4, 95, 1});
  CHECK(problem(RoutingWatch(mixture(3, {0, 1, 2}), load.load_entropy()), load, 1) == "");
  CHECK(problem(RoutingWatch(mixture(1), 0), of_load({100}), 1) == "");
}

TEST_CASE("experts without an image in an epoch are named, a few of many") {
  const RoutingWatch watch(mixture(4), 1);
  CHECK(contains(problem(watch, of_load({10, 10, 10, 0}), 2), "epoch 2: no image went to expert 3; "));
  const std::string both = problem(watch, of_load({0, 40, 0, 0}), 2);
  CHECK(contains(both, "collapses: expert 1 has 100.0 %"));
  CHECK(contains(both, "no image went to experts 0, 2, 3; "));
  std::vector<int64_t> many(30, 1);
  for (int e = 0; e < 12; ++e) many[e] = 0;
  CHECK(contains(problem(RoutingWatch(mixture(30), 1), of_load(many), 1),
                 "experts 0, 1, 2, 3, 4, 5, 6, 7, ... (12);"));
  CHECK(problem(watch, RoutingStatistics(4), 1) == "");  // nothing was seen
}

TEST_CASE("what was said of an expert is not said again in later epochs") {
  RoutingWatch watch(mixture(4), 1);
  CHECK(news(watch, of_load({10, 10, 10, 10}), 1) == "");
  CHECK(contains(news(watch, of_load({10, 10, 10, 0}), 2), "expert 3;"));
  CHECK(news(watch, of_load({10, 10, 10, 0}), 3) == "");
  CHECK(contains(news(watch, of_load({10, 10, 0, 0}), 4), "experts 2, 3;"));
  CHECK(news(watch, of_load({10, 10, 0, 10}), 5) == "");
  CHECK(contains(news(watch, of_load({97, 1, 1, 1}), 6), "collapses"));
  CHECK(news(watch, of_load({97, 1, 1, 1}), 7) == "");
  CHECK(problem(watch, of_load({97, 1, 1, 1}), 7) != "");  // the log has it nevertheless
}

TEST_CASE("each block is judged by itself, and named with what it routes") {
  // Added up, no collapse would show.
  const ModelRouting epoch =
      routing_of({of_load({97, 1, 2}), of_load({2, 98, 0}), of_load({3, 3, 3})}, Unit::token);
  RoutingWatch watch(mixture(3), 1);
  const std::vector<std::string> lines = watch.problems(epoch, 4);
  REQUIRE(lines.size() == 2);
  CHECK(contains(lines[0], "epoch 4, block 1: the router collapses: expert 0 has 97.0 % of the tokens, "));
  CHECK(contains(lines[1], "epoch 4, block 3: the router collapses: expert 1 has 98.0 % of the tokens, "));
  CHECK(contains(lines[1], ", no token went to expert 2; "));
  CHECK(contains(lines[1], "raise --balance-weight"));
  CHECK(!contains(lines[1], "super"));  // which routers of tokens cannot learn
  CHECK(watch.news(epoch, 4) == lines);
  CHECK(watch.news(epoch, 5).empty());
  const ModelRouting other =
      routing_of({of_load({97, 1, 2}), of_load({2, 98, 0}), of_load({3, 3, 0})}, Unit::token);
  CHECK(contains(only(watch.news(other, 6)), "epoch 6, block 5: no token went to expert 2; "));
}
