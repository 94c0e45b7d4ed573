#pragma once
// Which blocks of a model have experts.

#include <string>
#include <vector>

namespace vmoe {

/// As text one of
///   last:n    the last n blocks
///   every:n   every n-th block, counted from the start as in V-MoE (Riquelme et al. 2021, arXiv:2106.05974):
///             blocks n-1, 2n-1, ..., so that the first blocks stay dense
///   i,j,...   the blocks of these numbers, from 0, rising
struct BlockChoice {
  enum class Kind { last, every, listed };
  Kind kind = Kind::last;
  int number = 2;              // n of last:n and every:n
  std::vector<int> list = {};  // of `listed`

  static BlockChoice last(int n) { return {Kind::last, n, {}}; }
  static BlockChoice every(int n) { return {Kind::every, n, {}}; }
  static BlockChoice listed(std::vector<int> blocks) { return {Kind::listed, 0, std::move(blocks)}; }

  /// Numbers of the chosen ones among `depth` blocks, rising. The choice must suit the depth.
  std::vector<int> blocks(int depth) const;
  /// What is wrong with the choice for a model of this depth, as one phrase; empty if all is well.
  std::string problem(int depth) const;

  bool operator==(const BlockChoice&) const = default;
};

std::string to_text(const BlockChoice& choice);

/// Throws UsageError if the text is none of the three forms.
BlockChoice parse_block_choice(const std::string& text);

}  // namespace vmoe
