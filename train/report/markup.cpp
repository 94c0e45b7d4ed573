#include "train/report/markup.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "train/figures.h"

namespace vmoe {
namespace {

constexpr const char* kNothing = "–";

/// Bytes 10xxxxxx go on with a code point that has begun.
bool begins_code_point(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool control = (byte < 0x20 && c != '\t' && c != '\n') || byte == 0x7F;
        control ? result += "\uFFFD" : result += c;
      }
    }
  }
  return result;
}

std::string decimal(double value, int places) {
  if (!std::isfinite(value)) return kNothing;
  std::array<char, 400> digits;  // the largest double has 309 before the point
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed, places);
  std::string text(digits.data(), end.ptr);
  if (text.front() != '-') return text;
  const bool zero = text.find_first_not_of("-0.") == std::string::npos;
  return (zero ? "" : "−") + text.substr(1);
}

std::string signed_decimal(double value, int places) {
  const std::string text = decimal(value, places);
  const bool positive = value > 0 && text.find_first_not_of("0.") != std::string::npos;
  return std::isfinite(value) && positive ? "+" + text : text;
}

std::string with_thousands(double value) {
  return std::isfinite(value) ? with_unit(value) : kNothing;
}

std::string percentage(double share, int places) {
  return std::isfinite(share) ? decimal(100 * share, places) + " %" : kNothing;
}

std::string shortened(std::string_view text, int count) {
  int seen = 0;
  size_t last = 0;  // where the last code point that may stay before an ellipsis ends
  for (size_t i = 0; i < text.size(); ++i) {
    if (!begins_code_point(text[i])) continue;
    if (seen == count - 1) last = i;
    if (++seen > count) return std::string(text.substr(0, last)) + "…";
  }
  return std::string(text);
}

double text_width(std::string_view text, double size) {
  double width = 0;
  for (const char c : text) {
    if (!begins_code_point(c)) continue;
    const auto byte = static_cast<unsigned char>(c);
    const auto one_of = [c](std::string_view letters) { return letters.find(c) != std::string_view::npos; };
    // Scripts with wide letters begin with bytes from 0xE3 on, after the general punctuation.
    width += byte >= 0xE3                 ? 1.05
             : one_of(" .,:;'|!ijlI()[]") ? 0.4
             : one_of("frt-")             ? 0.5
             : one_of("mwMW")             ? 1.05
             : c >= 'A' && c <= 'Z'       ? 0.8
                                          : 0.7;
  }
  return width * size;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < have ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) result += j <= have ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return result;
}

std::string png_address(std::string_view png) {
  return "data:image/png;base64," + base64(png);
}

}  // namespace vmoe
