#include "train/suggest.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace vmoe {
namespace {

constexpr size_t kLongest = 100;  // letters; no known name is longer, and time grows with the square

/// Lower case, '-' for '_', without leading dashes.
std::string normalised(std::string_view name) {
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '_') c = '-';
  }
  return result;
}

constexpr int kFar = std::numeric_limits<int>::max();

/// How far a candidate is from what was typed; kFar if it is no good guess.
int distance(const std::string& typed, const std::string& candidate) {
  if (typed.size() >= 3 && candidate.starts_with(typed)) return 1;
  const int edits = edit_distance(typed, candidate);
  const size_t longer = std::max(typed.size(), candidate.size());
  return edits * 3 <= static_cast<int>(longer) ? edits : kFar;
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  // d[i][j]: distance of the first i letters of a and the first j of b; three rows of it are alive.
  std::vector<int> two_up(b.size() + 1), up(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    two_up.swap(up);
    up.swap(row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], two_up[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  if (name.size() > kLongest) return "";
  const std::string typed = normalised(name);
  const std::string* best = nullptr;
  int least = kFar;
  for (const std::string& candidate : candidates) {
    const int d = distance(typed, normalised(candidate));
    if (d < least) {
      least = d;
      best = &candidate;
    }
  }
  return best ? *best : "";
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  const std::string guess = nearest(name, candidates);
  return guess.empty() ? "" : "; did you mean '" + guess + "'?";
}

}  // namespace vmoe
