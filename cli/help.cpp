// The help text of a command: one sentence, one example, arguments, flags by group, exit codes.

#include <algorithm>

#include "cli/flags.h"

namespace vmoe {

const char* const kExitCodes =
    "Exit codes: 0 done, 1 internal, 2 wrong usage, 3 bad input, 4 cannot read or write, 130 "
    "interrupted\n";

namespace {

constexpr size_t kLeft = 28;    // columns of a flag's name
constexpr size_t kWidth = 100;  // columns in all

/// Adds words to `text`, whose last line has `column` columns, breaking lines before kWidth with an indent.
void wrap(std::string& text, size_t column, size_t indent, const std::vector<std::string>& words,
          const std::string& gap) {
  bool first = true;
  for (const std::string& word : words) {
    if (!first && column + gap.size() + word.size() > kWidth) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
      first = true;
    }
    if (!first) {
      text += gap;
      column += gap.size();
    }
    text += word;
    column += word.size();
    first = false;
  }
  text += "\n";
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(' ', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// A line of two columns.
void entry(std::string& text, const std::string& left, const std::string& right) {
  std::string line = "  " + left;
  line += line.size() + 2 > kLeft ? "  " : std::string(kLeft - line.size(), ' ');
  text += line;
  wrap(text, line.size(), kLeft, words_of(right), " ");
}

}  // namespace

std::string Flags::usage_line() const {
  std::string line = "vmoe " + purpose_.command;
  for (const Argument& argument : arguments_) {
    const std::string name = argument.name + (argument.repeats ? "..." : "");
    line += argument.required || argument.repeats ? " " + name : " [" + name + "]";
  }
  return line + (flags_.empty() ? "" : " [flags]");
}

void Flags::describe_group(int group, std::string& text) const {
  const Group& it = groups_[static_cast<size_t>(group)];
  text += it.title + (it.note.empty() ? "" : ": " + it.note) + "\n";
  std::vector<std::string> short_ones;
  for (const Flag& flag : flags_) {
    if (flag.group != group) continue;
    const std::string prefix = flag.name == "recipe" ? "-c, --" : flag.has_negative ? "--[no-]" : "--";
    const std::string name = prefix + flag.name + (flag.meta.empty() ? "" : " " + flag.meta);
    const std::string shown = flag.shown.empty() ? "" : " [" + flag.shown + "]";
    if (flag.help.empty()) {
      short_ones.push_back(name + shown);
    } else {
      entry(text, name, flag.help + shown);
    }
  }
  if (short_ones.empty()) return;
  text += "  ";
  wrap(text, 2, 2, short_ones, "  ");
}

std::string Flags::help() const {
  std::string text = purpose_.sentence + "\n\n  " + purpose_.example + "\n\nUsage: " + usage_line() + "\n";
  for (const Argument& argument : arguments_) entry(text, argument.name, argument.help);
  for (int group = 0; group < static_cast<int>(groups_.size()); ++group) describe_group(group, text);
  if (!notes_.empty()) text += "Result\n";
  for (const Group& note : notes_) entry(text, note.title, note.note);
  return text + kExitCodes;
}

}  // namespace vmoe
