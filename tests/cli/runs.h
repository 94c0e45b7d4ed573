#pragma once
// What tests of whole runs share: commands that must succeed, and files that must be the same.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.h"

namespace vmoe::testing {

using Json = nlohmann::json;

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Outcome succeed(const std::vector<std::string>& arguments) {
  const Outcome outcome = vmoe(arguments);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  return outcome;
}

/// What the command prints with --json.
inline Json json_of(std::vector<std::string> arguments) {
  arguments.push_back("--json");
  const Json json = Json::parse(succeed(arguments).out);
  CHECK(json["schema"] == 1);
  return json;
}

/// Occurrences of `part`.
inline size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++count;
  return count;
}

/// The files that must be the same when a run was interrupted and continued.
inline void check_same_run(const std::filesystem::path& a, const std::filesystem::path& b) {
  for (const char* file : {"best.safetensors", "last.safetensors", "last.state.safetensors", "config.json"}) {
    CAPTURE(file);
    CHECK(!bytes_of(a / file).empty());
    CHECK(bytes_of(a / file) == bytes_of(b / file));
  }
  std::ifstream first(a / "metrics.jsonl"), second(b / "metrics.jsonl");
  for (std::string x, y; std::getline(first, x);) {
    REQUIRE(std::getline(second, y));
    CHECK(Json::parse(x)["step"] == Json::parse(y)["step"]);
    if (Json::parse(x).contains("loss")) CHECK(Json::parse(x)["loss"] == Json::parse(y)["loss"]);
  }
  CHECK(second.peek() == EOF);
}

}  // namespace vmoe::testing
