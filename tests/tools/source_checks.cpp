#include "tests/tools/source_checks.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace vmoe::checks {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
}

std::string at(const std::string& path, size_t line) {
  return path + ":" + std::to_string(line) + ": ";
}

size_t line_of(const std::string& text, size_t position) {
  return 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(position), '\n');
}

// The end of the literal that begins at `begin` with a quote: the position after its closing quote.
size_t literal_end(const std::string& source, size_t begin) {
  if (begin > 0 && source[begin - 1] == 'R' && source[begin] == '"') {  // R"mark( ... )mark"
    const size_t open = source.find('(', begin);
    const std::string close = ")" + source.substr(begin + 1, open - begin - 1) + "\"";
    const size_t end = source.find(close, open);
    return end == std::string::npos ? source.size() : end + close.size();
  }
  for (size_t i = begin + 1; i < source.size(); ++i) {
    if (source[i] == '\\') {
      ++i;
    } else if (source[i] == source[begin]) {
      return i + 1;
    }
  }
  return source.size();
}

size_t comment_end(const std::string& source, size_t begin) {
  const size_t end = source[begin + 1] == '/' ? source.find('\n', begin) : source.find("*/", begin + 2);
  if (end == std::string::npos) return source.size();
  return source[begin + 1] == '/' ? end : end + 2;
}

// A quote between digits separates them (1'000'000).
bool opens_literal(const std::string& source, size_t i) {
  if (source[i] == '"') return true;
  return source[i] == '\'' && (i == 0 || !std::isalnum(static_cast<unsigned char>(source[i - 1])));
}

}  // namespace

std::string strip(const std::string& source, bool keep_strings) {
  std::string text;
  for (size_t i = 0; i < source.size();) {
    const bool comment =
        source[i] == '/' && i + 1 < source.size() && (source[i + 1] == '/' || source[i + 1] == '*');
    if (!comment && !opens_literal(source, i)) {
      text += source[i++];
      continue;
    }
    const size_t end = comment ? comment_end(source, i) : literal_end(source, i);
    if (!comment && keep_strings) {
      text += source.substr(i, end - i);
    } else {
      if (!comment) text += std::string(2, source[i]);
      text += std::string(std::count(source.begin() + i, source.begin() + end, '\n'), '\n');
    }
    i = end;
  }
  return text;
}

bool may_include(const std::string& from, const std::string& to) {
  static const std::map<std::string, std::set<std::string>> kBelow = {
      {"tensor", {}},
      {"autograd", {"tensor"}},
      {"nn", {"tensor", "autograd"}},
      {"moe", {"tensor", "autograd", "nn"}},
      {"data", {"tensor"}},
      {"train", {"tensor", "autograd", "nn", "moe", "data"}},
      {"cli", {"tensor", "autograd", "nn", "moe", "data", "train"}},
  };
  const auto found = kBelow.find(from);
  return found != kBelow.end() && (from == to || found->second.count(to) > 0);
}

Complaints check_includes(const std::string& path, const std::string& source) {
  const bool is_test = path.starts_with("tests/");
  const std::string inside = is_test ? path.substr(6) : path;
  const std::string folder = inside.substr(0, inside.find('/'));
  static const std::regex kInclude(R"re(^\s*#\s*include\s*"([^"]*)")re");
  Complaints complaints;
  std::istringstream lines(strip(source, /*keep_strings=*/true));
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (!std::regex_search(line, match, kInclude)) continue;
    const std::string target = match[1];
    const size_t slash = target.find('/');
    const std::string to = target.substr(0, slash);
    if (slash == std::string::npos || to == "." || to == "..") {
      complaints.push_back(at(path, number) + "\"" + target + "\" is not written from the repository's root");
    } else if (!(is_test && to == "tests") && !may_include(folder, to)) {
      complaints.push_back(at(path, number) + folder + " may not include " + target);
    }
  }
  return complaints;
}

bool is_exempt_from_elementary_check(const std::string& path) {
  return path.starts_with("tensor/kernels/vector") || path == "tensor/math.h" || path == "tensor/math.cpp";
}

Complaints check_elementary_functions(const std::string& path, const std::string& source) {
  // The call, with what stands before the name: a member access, a qualification, or the word before it.
  static const std::regex kCall(
      R"re((\.|->|(?:\w+)?\s*::|\w+\s+)?\b((?:exp|exp2|expm1|log|log2|log10|log1p|sin|cos|tan|sincos|asin|acos|atan|)re"
      R"re(atan2|sinh|cosh|tanh|asinh|acosh|atanh|pow|cbrt|hypot|erf|erfc|lgamma|tgamma)[fl]?)\s*\()re");
  static const std::set<std::string> kNotTypes = {"return", "co_return", "else", "case",
                                                  "throw",  "co_yield",  "do"};
  const std::string text = strip(source);
  Complaints complaints;
  for (std::sregex_iterator it(text.begin(), text.end(), kCall), end; it != end; ++it) {
    std::string before = (*it)[1];
    before.erase(
        std::remove_if(before.begin(), before.end(), [](unsigned char c) { return std::isspace(c); }),
        before.end());
    const bool member = before == "." || before == "->";
    const bool ours = before == "math::";
    // "double log(" declares something of that name; "return log(" calls.
    const bool declaration = !before.empty() && is_word(before.back()) && kNotTypes.count(before) == 0;
    if (member || ours || declaration) continue;
    complaints.push_back(at(path, line_of(text, static_cast<size_t>(it->position(2)))) + (*it)[2].str() +
                         "() of the C library; use math:: (tensor/math.h)");
  }
  return complaints;
}

Complaints check_order_of_draws(const std::string& path, const std::string& source) {
  static const std::regex kDraw(R"re(\brandom\.\w+\s*\()re");
  const std::string text = strip(source);
  Complaints complaints;
  size_t earlier = std::string::npos;
  for (std::sregex_iterator it(text.begin(), text.end(), kDraw), end; it != end; ++it) {
    const auto here = static_cast<size_t>(it->position());
    // What ends a full expression, or orders what stands before it and after it.
    const bool apart = earlier == std::string::npos || text.find_first_of(";{}?", earlier) < here;
    if (!apart) {
      complaints.push_back(at(path, line_of(text, here)) +
                           "a second draw in one expression; draw into a variable first");
    }
    earlier = here;
  }
  return complaints;
}

Complaints check_loops_over_items(const std::string& path, const std::string& source) {
  static const std::regex kLoop(
      R"re(\bfor\s*\([^;{}]*[^:]:[^:][^;{}()]*\([^;{}()]*\)\s*\.\s*items\s*\(\s*\)\s*\))re");
  const std::string text = strip(source);
  Complaints complaints;
  for (std::sregex_iterator it(text.begin(), text.end(), kLoop), end; it != end; ++it) {
    complaints.push_back(at(path, line_of(text, static_cast<size_t>(it->position()))) +
                         "a loop over items() of a value that nothing keeps; give it a name first");
  }
  return complaints;
}

std::vector<std::string> declared_ops(const std::string& header) {
  static const std::regex kOp(R"re(^Var\s+(\w+)\s*\(\s*Tape\s*&)re", std::regex::multiline);
  const std::string text = strip(header);
  std::vector<std::string> ops;
  for (std::sregex_iterator it(text.begin(), text.end(), kOp), end; it != end; ++it) ops.push_back((*it)[1]);
  return ops;
}

std::vector<std::string> ops_without_row(const std::vector<std::string>& ops, const std::string& table) {
  const std::string text = strip(table, /*keep_strings=*/true);
  std::vector<std::string> missing;
  for (const std::string& op : ops) {
    if (text.find('"' + op + '"') == std::string::npos) missing.push_back(op);
  }
  return missing;
}

}  // namespace vmoe::checks
