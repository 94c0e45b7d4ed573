#pragma once
// Figures as text.

#include <string>

namespace vmoe {

/// printf's "%.*f".
std::string fixed(double value, int decimals);
/// "12.3 %" of a share.
std::string percent(double share, int decimals = 2);
/// Three digits and a unit: "1.23 M", with k, M, G, T for powers of 1000. Whole numbers below 1000 as they
/// are.
std::string with_unit(double value);
/// A field of a CSV file (RFC 4180): in quotes, and quotes doubled, if it holds a comma, a quote or a line
/// end.
std::string csv_field(const std::string& text);

}  // namespace vmoe
