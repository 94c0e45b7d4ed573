#include "moe/super_classes_json.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "moe/strict_json.h"

namespace vmoe {
namespace {

using nlohmann::ordered_json;

constexpr size_t kMostClasses = 1 << 16;

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw InputError("super-classes '" + file + "': " + what);
}

const ordered_json& require(const ordered_json& object, const char* key, const std::string& file) {
  const auto found = object.find(key);
  if (found == object.end()) fail(file, std::string("'") + key + "' is missing");
  return *found;
}

int integer(const ordered_json& value, const std::string& what, int low, int high, const std::string& file) {
  const bool fits = value.is_number_integer() && value >= low && value <= high;
  if (fits) return value.get<int>();
  fail(file, what + " is " + in_quotes(value.dump()) + "; it must be a whole number from " +
                 std::to_string(low) + " to " + std::to_string(high));
}

double figure(const ordered_json& object, const char* key, const std::string& file) {
  const ordered_json& value = require(object, key, file);
  const bool finite = value.is_number() && std::isfinite(value.get<double>());
  if (!finite) fail(file, std::string("'") + key + "' must be a number");
  return value.get<double>();
}

std::vector<std::string> texts(const ordered_json& value, const char* key, const std::string& file) {
  const auto is_text = [](const ordered_json& item) { return item.is_string(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_text)) {
    fail(file, std::string("'") + key + "' must be a list of texts");
  }
  return value.get<std::vector<std::string>>();
}

void require_distinct(const std::vector<std::string>& names, const std::string& file) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) fail(file, "class " + in_quotes(name) + " appears twice");
  }
}

void read_labels(const ordered_json& object, SuperClasses& division, const std::string& file) {
  const ordered_json& labels = require(object, "super_class", file);
  if (!labels.is_array() || labels.size() != division.classes.size()) {
    fail(file, "'super_class' must be a list of " + std::to_string(division.classes.size()) +
                   " labels, one a class" +
                   (labels.is_array() ? "; it has " + std::to_string(labels.size()) : ""));
  }
  for (size_t a = 0; a < labels.size(); ++a) {
    const std::string what = "the super-class of " + in_quotes(division.classes[a]);
    division.super_class.push_back(integer(labels[a], what, 0, division.experts - 1, file));
  }
  const std::vector<int> sizes = division.sizes();
  const auto empty = std::find(sizes.begin(), sizes.end(), 0);
  if (empty != sizes.end()) {
    fail(file, "super-class " + std::to_string(empty - sizes.begin()) + " has no class; every one of 0 to " +
                   std::to_string(division.experts - 1) + " needs one");
  }
  const auto stated = object.find("sizes");
  if (stated != object.end() && *stated != ordered_json(sizes))
    fail(file, "'sizes' disagree with 'super_class'");
}

DivisionReport read_report(const ordered_json& object, const std::string& file) {
  const ordered_json& random = require(object, "random_inside_share", file);
  if (!random.is_object()) fail(file, "'random_inside_share' must be an object with mean and sd");
  return {figure(object, "modularity", file), figure(object, "inside_share", file),
          figure(random, "mean", file), figure(random, "sd", file)};
}

/// A name as it comes back from a file: what is not UTF-8 replaced.
std::string as_written(const std::string& name) {
  const std::string text = ordered_json(name).dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return ordered_json::parse(text).get<std::string>();
}

}  // namespace

std::string super_classes_to_json(const SuperClasses& division) {
  ordered_json object = {{"schema", 1},
                         {"experts", division.experts},
                         {"classes", division.classes},
                         {"super_class", division.super_class}};
  if (!division.names.empty()) object["names"] = division.names;
  object["sizes"] = division.sizes();
  if (division.report) {
    object["modularity"] = division.report->modularity;
    object["inside_share"] = division.report->inside_share;
    object["random_inside_share"] = {{"mean", division.report->random_mean},
                                     {"sd", division.report->random_sd}};
  }
  return object.dump(1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

SuperClasses super_classes_from_json(const std::string& text, const std::string& file) {
  const ordered_json object = parse_json(text, "super-classes '" + file + "'");
  if (!object.is_object()) fail(file, "it must hold one JSON object");
  const ordered_json& schema = require(object, "schema", file);
  if (schema != 1) fail(file, "'schema' is " + in_quotes(schema.dump()) + "; this program reads schema 1");

  SuperClasses division;
  division.classes = texts(require(object, "classes", file), "classes", file);
  const size_t count = division.classes.size();
  if (count < 1 || count > kMostClasses) fail(file, "'classes' must have 1 to 65536 names");
  require_distinct(division.classes, file);
  division.experts = static_cast<int>(
      integer(require(object, "experts", file), "'experts'", 1, static_cast<int64_t>(count), file));
  read_labels(object, division, file);
  if (object.contains("names")) {
    division.names = texts(object["names"], "names", file);
    if (division.names.size() != static_cast<size_t>(division.experts)) {
      fail(file, "'names' must have one name for each of the " + std::to_string(division.experts) +
                     " super-classes");
    }
  }
  if (object.contains("modularity")) division.report = read_report(object, file);
  return division;
}

void require_division_of(const SuperClasses& division, const std::string& file,
                         const std::vector<std::string>& classes, int experts) {
  if (division.classes.size() != classes.size()) {
    fail(file, "it divides " + std::to_string(division.classes.size()) + " classes, the data set has " +
                   std::to_string(classes.size()));
  }
  for (size_t a = 0; a < classes.size(); ++a) {
    if (division.classes[a] == as_written(classes[a])) continue;
    fail(file, "class " + std::to_string(a) + " is " + in_quotes(division.classes[a]) +
                   ", in the data set it is " + in_quotes(as_written(classes[a])));
  }
  if (experts == 0 || experts == division.experts) return;
  throw UsageError("--experts is " + std::to_string(experts) + ", but '" + file + "' has " +
                   std::to_string(division.experts) + " super-classes; give --experts " +
                   std::to_string(division.experts));
}

}  // namespace vmoe
