#include "train/figures.h"

#include <cmath>
#include <cstdio>

namespace vmoe {

std::string fixed(double value, int decimals) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
  return buffer;
}

std::string percent(double share, int decimals) {
  return fixed(100 * share, decimals) + " %";
}

std::string with_unit(double value) {
  const char* const units[] = {"", " k", " M", " G", " T"};
  int unit = 0;
  // 999.5 would be written "1000".
  for (; unit < 4 && std::abs(value) >= 999.5; ++unit) value /= 1000;
  const double size = std::abs(value);
  const bool whole = unit == 0 && value == std::floor(value);
  return fixed(value, whole ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0) + units[unit];
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace vmoe
