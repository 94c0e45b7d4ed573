#pragma once
// Text of an HTML page: escaping, numbers as a reader wants them, pictures inside the page. Numbers are
// written the same under every locale.

#include <string>
#include <string_view>

namespace vmoe {

/// The text for use between tags and inside quoted attributes: & < > " ' become entities, control characters
/// but for tab and newline U+FFFD. Everything that a user named passes here before it enters a page.
std::string escaped(std::string_view text);

/// "12.30" for (12.3, 2); an en dash for a value that is not finite, since a page has no room for "nan".
std::string decimal(double value, int places);
/// The same with a sign, "+1.2" or a real minus "−1.2"; what rounds to zero has none.
std::string signed_decimal(double value, int places);
/// Three digits and a unit of thousands: "12.3 M"; k, M, G, T. An en dash if not finite.
std::string with_thousands(double value);
/// Share 0..1 as "61.3 %".
std::string percentage(double share, int places);

/// At most `count` code points of UTF-8 text; what was longer ends with an ellipsis.
std::string shortened(std::string_view text, int count);
/// About how wide `text` is in a bold sans-serif font of `size`, in the unit of `size`: as in DejaVu Sans,
/// the widest of the usual ones.
double text_width(std::string_view text, double size);

/// Base64 (RFC 4648, with padding) of the bytes.
std::string base64(std::string_view bytes);
/// The address of a PNG that lies in the page itself: "data:image/png;base64,...".
std::string png_address(std::string_view png);

}  // namespace vmoe
