#pragma once
// The flags of a command, described once: the command line, recipes and the help text are read from this
// description.

#include <functional>
#include <iosfwd>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/recipe.h"
#include "cli/values.h"

namespace vmoe {

using Arguments = std::span<const std::string>;

/// What the help of a command starts with.
struct Purpose {
  std::string command;   // "eval"
  std::string sentence;  // "Measures how good a model is on labelled images."
  std::string example;   // a line that works
};

/// Flags and arguments of one command. Values are written into variables of the caller, whose values before
/// are the defaults. Every error is a UsageError naming the flag, its value and what would be right.
class Flags {
 public:
  explicit Flags(Purpose purpose) : purpose_(std::move(purpose)) {}

  /// Starts a group in the help; `note` stands beside its title. Flags without a help text share lines.
  void group(std::string title, std::string note = "");

  /// A flag --NAME of a number, whole if the target is an integer. The target may be a std::optional. `shown`
  /// stands for the default in the help where the variable's value says nothing.
  template <class T>
  void add(const std::string& name, T& target, Range range, const std::string& help,
           const std::string& shown = "");
  /// A flag of text; `meta` names it in the help.
  void text(const std::string& name, std::string& target, const std::string& meta, const std::string& help,
            const std::string& shown = "");
  void text(const std::string& name, std::optional<std::string>& target, const std::string& meta,
            const std::string& help, const std::string& shown);
  /// A flag whose value is one of a few words. T is std::string or an optional of it.
  template <class T>
  void choice(const std::string& name, T& target, const std::vector<std::string>& words,
              const std::string& help, const std::string& shown = "");
  /// A switch --NAME. One that is on by default, or undecided, is turned off by --no-NAME. T is bool or an
  /// optional.
  template <class T>
  void toggle(const std::string& name, T& target, const std::string& help);

  /// Two columns below all flags, for what a user must know to read the result.
  void note(std::string term, std::string meaning);

  /// -c, --recipe FILE: flags from a file; the command line wins.
  void recipe();

  /// An argument without dashes; several are taken in this order. `required` ones come first.
  void argument(const std::string& name, std::string& target, const std::string& help, bool required = true);
  /// All further arguments, at least one.
  void arguments(const std::string& name, std::vector<std::string>& target, const std::string& help);

  /// Reads the arguments of the command. False if they ask for help, which is then on `out`.
  bool parse(Arguments arguments, std::ostream& out);

  std::string help() const;

  /// What -c named, if anything.
  const std::string& recipe_path() const { return recipe_path_; }
  /// The first flag of a group that the command line or the recipe set; empty if there is none.
  std::string first_given(const std::string& group) const;
  /// The first of these flags, by their names without dashes; empty if none of them was set.
  std::string first_given_of(const std::vector<std::string>& names) const;

 private:
  struct Flag {
    std::string name, meta, help, shown;
    ValueKind kind;
    std::string right;                             // what a value must be
    std::function<bool(const std::string&)> read;  // writes the target; false: this is no such value
    bool has_negative = false;                     // --no-NAME
    int group = 0;
    std::vector<std::string> words = {};  // of a choice
    bool given = false;
  };
  struct Argument {
    std::string name, help;
    bool required, repeats;
    std::function<void(const std::string&)> take;
    bool taken = false;
  };
  struct Group {
    std::string title, note;
  };
  struct Given;  // what stands on the command line

  void push(Flag flag);
  std::vector<std::string> names() const;
  Given split(Arguments arguments) const;
  std::string explain(const std::string& message) const;
  void apply_recipe(const std::string& path);
  void set(Flag& flag, const std::string& text, const std::string& where);
  void take_arguments(const std::vector<std::string>& given);
  std::string usage_line() const;
  void describe_group(int group, std::string& text) const;

  Purpose purpose_;
  std::vector<Group> groups_;
  std::vector<Flag> flags_;
  std::vector<Argument> arguments_;
  std::vector<Group> notes_;  // term and meaning
  std::string recipe_path_;
};

/// The last line of every help text.
extern const char* const kExitCodes;

// --- Templates ---

namespace detail {

template <class T>
struct ValueOf {
  using Type = T;
  static std::optional<T> get(const T& target) { return target; }
};
template <class T>
struct ValueOf<std::optional<T>> {
  using Type = T;
  static std::optional<T> get(const std::optional<T>& target) { return target; }
};

}  // namespace detail

template <class T>
void Flags::add(const std::string& name, T& target, Range range, const std::string& help,
                const std::string& shown) {
  using Value = typename detail::ValueOf<T>::Type;
  constexpr bool whole = std::is_integral_v<Value>;
  if constexpr (whole) {
    if (range.most > static_cast<double>(std::numeric_limits<Value>::max())) {
      // 2^53: every whole number up to here is a double, so that the range can be checked as one.
      range.most =
          sizeof(Value) > 4 ? 9007199254740992.0 : static_cast<double>(std::numeric_limits<Value>::max());
    }
  }
  const auto now = detail::ValueOf<T>::get(target);
  Flag flag{name, whole ? "N" : "X", help, shown, whole ? ValueKind::whole : ValueKind::number, "", {}};
  if (shown.empty() && now) flag.shown = to_text(static_cast<double>(*now));
  flag.right = range.describe(flag.kind);
  flag.read = [&target, range](const std::string& text) {
    if constexpr (whole) {
      const auto value = read_whole(text);
      if (!value || !range.contains(static_cast<double>(*value))) return false;
      target = static_cast<Value>(*value);
    } else {
      const auto value = read_number(text);
      if (!value || !range.contains(*value)) return false;
      target = *value;
    }
    return true;
  };
  push(std::move(flag));
}

template <class T>
void Flags::choice(const std::string& name, T& target, const std::vector<std::string>& words,
                   const std::string& help, const std::string& shown) {
  Flag flag{name,           "", help, detail::ValueOf<T>::get(target).value_or(shown), ValueKind::text,
            list_of(words), {}};
  for (const std::string& word : words) flag.meta += (flag.meta.empty() ? "" : "|") + word;
  flag.words = words;
  flag.read = [&target, words](const std::string& text) {
    for (const std::string& word : words) {
      if (word == text) {
        target = text;
        return true;
      }
    }
    return false;
  };
  push(std::move(flag));
}

template <class T>
void Flags::toggle(const std::string& name, T& target, const std::string& help) {
  Flag flag{name, "", help, "", ValueKind::yes_no, "true or false", {}};
  const std::optional<bool> now = detail::ValueOf<T>::get(target);
  flag.has_negative = now.value_or(true);
  flag.shown = now.value_or(false) ? "on" : "";
  flag.read = [&target](const std::string& text) {
    const auto value = read_yes_no(text);
    if (value) target = *value;
    return value.has_value();
  };
  push(std::move(flag));
}

}  // namespace vmoe
