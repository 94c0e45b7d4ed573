#pragma once
// JSON from elsewhere, read without trust.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vmoe {

/// Parses one JSON value. Throws InputError "WHERE: ..." for text that is not JSON (with the byte), a key
/// that appears twice in one object, and what no file of ours comes near: more than 4 MiB of text, 1024 keys
/// in one object, or 16 levels of nesting. So time and memory are bounded (a second, 200 MiB).
nlohmann::ordered_json parse_json(std::string_view text, const std::string& where);

/// A name from elsewhere for an error line: in quotes, control characters replaced by '?', cut after 80
/// bytes.
std::string in_quotes(std::string_view name);

}  // namespace vmoe
