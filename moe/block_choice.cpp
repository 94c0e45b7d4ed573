#include "moe/block_choice.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "tensor/error.h"
#include "tensor/json_fields.h"

namespace vmoe {

namespace {

constexpr std::string_view kLast = "last:", kEvery = "every:";

// A whole number of digits alone, with nothing behind it.
std::optional<int> number_of(std::string_view text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0) return {};
  return number;
}

std::optional<std::vector<int>> list_of_numbers(std::string_view text) {
  std::vector<int> numbers;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    const auto number = number_of(text.substr(start, end - start));
    if (!number) return {};
    numbers.push_back(*number);
    start = end + 1;
  }
  return numbers;
}

}  // namespace

std::vector<int> BlockChoice::blocks(int depth) const {
  if (kind == Kind::listed) return list;
  std::vector<int> chosen;
  for (int i = 0; i < depth; ++i) {
    if (kind == Kind::last ? i >= depth - number : (i + 1) % number == 0) chosen.push_back(i);
  }
  return chosen;
}

std::string BlockChoice::problem(int depth) const {
  const std::string wrong = "moe_layers is " + to_text(*this).substr(0, 60) + ", ";
  if (kind != Kind::listed) {
    if (number >= 1 && number <= depth) return "";
    return wrong + "its number should be from 1 to depth, which is " + std::to_string(depth);
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i] < 0 || list[i] >= depth)
      return wrong + "blocks should be from 0 to " + std::to_string(depth - 1) + ", as depth is " +
             std::to_string(depth);
    if (i > 0 && list[i] <= list[i - 1]) return wrong + "it should name each block once, in rising order";
  }
  return list.empty() ? wrong + "it should name at least one block" : "";
}

std::string to_text(const BlockChoice& choice) {
  if (choice.kind == BlockChoice::Kind::last) return std::string(kLast) + std::to_string(choice.number);
  if (choice.kind == BlockChoice::Kind::every) return std::string(kEvery) + std::to_string(choice.number);
  std::string text;
  for (const int block : choice.list) text += (text.empty() ? "" : ",") + std::to_string(block);
  return text;
}

BlockChoice parse_block_choice(const std::string& text) {
  for (const auto& [prefix, kind] :
       {std::pair{kLast, BlockChoice::Kind::last}, {kEvery, BlockChoice::Kind::every}}) {
    if (!text.starts_with(prefix)) continue;
    if (const auto number = number_of(std::string_view(text).substr(prefix.size())))
      return {kind, *number, {}};
  }
  if (auto list = list_of_numbers(text)) return BlockChoice::listed(std::move(*list));
  throw UsageError("moe_layers is " + shown(text) +
                   ", it should be last:n (the last n blocks), every:n (blocks n-1, 2n-1, ...) or block "
                   "numbers i,j,... from 0");
}

}  // namespace vmoe
