#pragma once
// "unknown flag '--epoch'; did you mean '--epochs'?": the known name nearest to a mistyped one.

#include <span>
#include <string>
#include <string_view>

namespace vmoe {

/// Least number of letters to insert, drop, replace, or swap with their neighbour to get from one name to the
/// other (restricted Damerau-Levenshtein distance; a letter is not touched again after a swap).
int edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `name`, the first of several; empty if none is near: more than a third of the
/// longer name's letters would change, and `name` (of 3 letters or more) does not begin a candidate either.
/// Upper case equals lower case, '_' equals '-', leading dashes do not count.
std::string nearest(std::string_view name, std::span<const std::string> candidates);

/// "; did you mean 'NAME'?" for the end of an error line, or nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

}  // namespace vmoe
