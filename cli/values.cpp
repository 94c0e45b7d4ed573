#include "cli/values.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace vmoe {
namespace {

template <class T>
std::optional<T> read(std::string_view text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return std::nullopt;
  return value;
}

}  // namespace

bool Range::contains(double value) const {
  return std::isfinite(value) && (above ? value > least : value >= least) && value <= most;
}

std::string Range::describe(ValueKind kind) const {
  const std::string what = kind == ValueKind::whole ? "a whole number" : "a number";
  const bool lower = std::isfinite(least), upper = std::isfinite(most);
  if (above) return what + " above " + to_text(least) + (upper ? ", at most " + to_text(most) : "");
  if (lower && upper) return what + " from " + to_text(least) + " to " + to_text(most);
  if (lower) return what + " of at least " + to_text(least);
  return what;
}

std::optional<int64_t> read_whole(std::string_view text) {
  return read<int64_t>(text);
}
std::optional<double> read_number(std::string_view text) {
  return read<double>(text);
}

std::optional<bool> read_yes_no(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::string to_text(double number) {
  char buffer[32];
  const bool whole = number == std::floor(number) && std::abs(number) < 1e15;
  const auto end = whole ? std::to_chars(buffer, buffer + sizeof buffer, static_cast<int64_t>(number)).ptr
                         : std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return std::string(buffer, end);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 80;
  std::string result(text.substr(0, kLongest));
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return text.size() > kLongest ? result + "..." : result;
}

std::string list_of(std::span<const std::string> names) {
  std::string result;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) result += i + 1 == names.size() ? " or " : ", ";
    result += names[i];
  }
  return result;
}

}  // namespace vmoe
