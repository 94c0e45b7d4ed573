#pragma once
// How results are printed.

#include <iosfwd>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "train/figures.h"

namespace vmoe {

using Json = nlohmann::ordered_json;

/// The start of every object that the program prints: {"schema": 1}.
Json json_result();
/// One object, indented. Bytes that are not UTF-8 become U+FFFD, numbers that are not finite null.
void print_json(std::ostream& out, const Json& json);
/// The same in one line, without its end.
std::string json_line(const Json& json);

/// "3 s", "2 min 05 s", "1 h 07 min".
std::string duration(double seconds);

/// Rows of text as columns of equal width, two spaces apart; the first column left-justified, the others
/// right.
std::string columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace vmoe
