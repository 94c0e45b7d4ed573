#include "moe/strict_json.h"

#include <set>
#include <vector>

#include "tensor/error.h"

namespace vmoe {

using nlohmann::json;

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  constexpr int kMaxDepth = 16;
  std::vector<std::set<std::string>> keys;  // of the objects around the current place
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    using Event = json::parse_event_t;
    if (depth > kMaxDepth) {
      throw InputError("'" + where + "': nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second) {
      throw InputError("'" + where + "': the key " + in_quotes(value.get<std::string>()) +
                       " appears twice in one object");
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& error) {
    throw InputError("'" + where + "': not valid JSON at byte " + std::to_string(error.byte));
  } catch (const json::out_of_range&) {
    throw InputError("'" + where + "': it holds a number of more than 1.8e308");
  }
}

std::string in_quotes(std::string_view name) {
  constexpr size_t kLongest = 80;
  std::string text = "'";
  for (const char c : name.substr(0, kLongest)) {
    const bool control = static_cast<unsigned char>(c) < 32 || c == 127;
    text += control ? '?' : c;
  }
  return text + (name.size() > kLongest ? "...'" : "'");
}

}  // namespace vmoe
