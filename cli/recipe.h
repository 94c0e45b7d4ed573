#pragma once
// A recipe: a TOML file whose keys are the long flags of a command without their dashes, flat.

#include <string>
#include <vector>

#include "cli/values.h"

namespace vmoe {

/// One key of a recipe, its value as it would stand on the command line.
struct RecipeEntry {
  std::string key, text;
  ValueKind kind;  // `whole` for TOML's integers, `number` for its floats
  int line;        // from 1
};

/// Reads a recipe of at most 1 MiB, in the order of its lines. Throws InputError naming file and line for
/// text that is not TOML, UsageError for tables, lists and dates, IoError if it cannot be read.
std::vector<RecipeEntry> read_recipe(const std::string& path);

}  // namespace vmoe
