#pragma once
// Values of flags and recipe keys: how text becomes a number, and what is said when it does not.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmoe {

/// What a flag takes. A recipe must give a value of this type: text in quotes, a number without.
enum class ValueKind { text, whole, number, yes_no };

/// The numbers that a flag accepts: least .. most, `above` without `least` itself.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool above = false;

  /// False for NaN and infinities, whatever the range.
  bool contains(double value) const;
  /// "a whole number from 1 to 9", "a number above 0", ...
  std::string describe(ValueKind kind) const;
};

inline Range at_least(double least) {
  return {.least = least};
}
inline Range above(double bound) {
  return {.least = bound, .above = true};
}
inline Range between(double least, double most) {
  return {.least = least, .most = most};
}

/// The whole text as a decimal number, independent of the locale; nothing if it is anything else or
/// overflows.
std::optional<int64_t> read_whole(std::string_view text);
std::optional<double> read_number(std::string_view text);
/// "true" or "false".
std::optional<bool> read_yes_no(std::string_view text);

/// Shortest decimal that reads back as the same number; whole ones below 10^15 without an exponent.
std::string to_text(double number);
/// A byte below space, or DEL: in a line for people it could end the line or move the cursor.
bool is_control(char c);
/// The start of a text that came from outside, control characters replaced, fit for an error line.
std::string printable(std::string_view text);
/// "a, b or c".
std::string list_of(std::span<const std::string> names);

}  // namespace vmoe
