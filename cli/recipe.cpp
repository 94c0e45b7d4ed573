#include "cli/recipe.h"

#include <toml++/toml.h>

#include <algorithm>

#include "tensor/error.h"
#include "train/atomic_file.h"

namespace vmoe {
namespace {

std::string place(const std::string& path, const toml::source_region& source) {
  return path + ", line " + std::to_string(source.begin.line);
}

RecipeEntry entry_of(const std::string& path, const std::string& key, const toml::node& node) {
  const int line = static_cast<int>(node.source().begin.line);
  if (const auto* text = node.as_string()) return {key, text->get(), ValueKind::text, line};
  if (const auto* whole = node.as_integer())
    return {key, std::to_string(whole->get()), ValueKind::whole, line};
  if (const auto* number = node.as_floating_point())
    return {key, to_text(number->get()), ValueKind::number, line};
  if (const auto* yes_no = node.as_boolean()) {
    return {key, yes_no->get() ? "true" : "false", ValueKind::yes_no, line};
  }
  throw UsageError(place(path, node.source()) + ": '" + printable(key) +
                   "' is a table, a list or a date; a recipe has text, numbers and true or false only");
}

}  // namespace

std::vector<RecipeEntry> read_recipe(const std::string& path) {
  constexpr size_t kMaxBytes = size_t{1} << 20;
  const std::string text = read_file(path, kMaxBytes);
  std::vector<RecipeEntry> entries;
  try {
    const toml::table table = toml::parse(text, path);
    for (const auto& [key, node] : table) entries.push_back(entry_of(path, std::string(key.str()), node));
  } catch (const toml::parse_error& error) {
    throw InputError(place(path, error.source()) + ": not TOML: " + printable(error.description()));
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return entries;
}

}  // namespace vmoe
