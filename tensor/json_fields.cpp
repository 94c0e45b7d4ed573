#include "tensor/json_fields.h"

#include <algorithm>
#include <limits>

#include "tensor/error.h"

namespace vmoe {

namespace {

using Json = nlohmann::ordered_json;

bool is_int(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= std::numeric_limits<int>::max();
  return value.is_number_integer() && value.get<int64_t>() >= std::numeric_limits<int>::min();
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

constexpr const char* kInteger = "an integer below 2^31";

}  // namespace

std::string shown(const Json& value) {
  constexpr size_t kLongest = 60;
  // Not printed: the text of a deeply nested value is made by recursion.
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= kLongest ? text : text.substr(0, kLongest - 3) + "...";
}

JsonFields::JsonFields(const Json& json, const std::string& where) : json_(json), where_(where) {
  if (!json.is_object()) throw InputError(where + ": " + shown(json) + " should be an object {...}");
}

const Json& JsonFields::at(const char* key) {
  known_.push_back(key);
  const auto found = json_.find(key);
  if (found == json_.end()) throw InputError(where_ + ": key '" + key + "' is missing");
  return *found;
}

void JsonFields::fail(const char* key, const Json& value, const std::string& expected) const {
  throw InputError(where_ + ": " + key + " is " + shown(value) + ", it should be " + expected);
}

void JsonFields::read(const char* key, int& value) {
  const Json& json = at(key);
  if (!is_int(json)) fail(key, json, kInteger);
  value = json.get<int>();
}

void JsonFields::read(const char* key, double& value) {
  const Json& json = at(key);
  if (!json.is_number()) fail(key, json, "a number");
  value = json.get<double>();
}

void JsonFields::read(const char* key, bool& value) {
  const Json& json = at(key);
  if (!json.is_boolean()) fail(key, json, "true or false");
  value = json.get<bool>();
}

void JsonFields::read(const char* key, std::string& value) {
  const Json& json = at(key);
  if (!json.is_string()) fail(key, json, "a string");
  value = json.get<std::string>();
}

void JsonFields::read(const char* key, std::vector<int>& value) {
  const Json& json = at(key);
  if (!json.is_array() || !std::all_of(json.begin(), json.end(), is_int))
    fail(key, json, "a list of integers");
  value = json.get<std::vector<int>>();
}

void JsonFields::read(const char* key, std::vector<double>& value) {
  const Json& json = at(key);
  if (!json.is_array() ||
      !std::all_of(json.begin(), json.end(), [](const Json& item) { return item.is_number(); }))
    fail(key, json, "a list of numbers");
  value = json.get<std::vector<double>>();
}

void JsonFields::read(const char* key, std::vector<std::string>& value) {
  const Json& json = at(key);
  if (!json.is_array() ||
      !std::all_of(json.begin(), json.end(), [](const Json& item) { return item.is_string(); }))
    fail(key, json, "a list of texts");
  value = json.get<std::vector<std::string>>();
}

int JsonFields::read_name(const char* key, EnumNames names) {
  const Json& json = at(key);
  const auto found = std::find_if(names.begin(), names.end(), [&](const char* name) { return json == name; });
  if (found == names.end()) fail(key, json, "one of " + joined({names.begin(), names.end()}));
  return static_cast<int>(found - names.begin());
}

const Json& JsonFields::object(const char* key) {
  const Json& json = at(key);
  if (!json.is_object()) fail(key, json, "an object {...}");
  return json;
}

void JsonFields::finish() const {
  for (const auto& item : json_.items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) == known_.end()) {
      throw InputError(where_ + ": unknown key " + shown(item.key()) + "; known: " + joined(known_));
    }
  }
}

}  // namespace vmoe
