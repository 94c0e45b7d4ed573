#pragma once
// JSON from elsewhere, read without trust.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vmoe {

/// Parses one JSON value. Throws InputError "'where': ..." for text that is not JSON (with the byte), a key
/// that appears twice in one object, or more than 16 levels of nesting. Memory: up to about 30 times the
/// text, so bound that.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// A name from elsewhere for an error line: in quotes, control characters replaced by '?', cut after 80
/// bytes.
std::string in_quotes(std::string_view name);

}  // namespace vmoe
