#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <ostream>

#include "tensor/error.h"
#include "train/suggest.h"

namespace vmoe {

/// The values of every flag in the order in which they were given, and what has no dashes.
struct Flags::Given {
  std::vector<std::vector<std::string>> values;  // by flag
  std::vector<std::string> arguments;
  bool help = false;
};

void Flags::group(std::string title, std::string note) {
  groups_.push_back({std::move(title), std::move(note)});
}

void Flags::note(std::string term, std::string meaning) {
  notes_.push_back({std::move(term), std::move(meaning)});
}

void Flags::push(Flag flag) {
  flag.group = static_cast<int>(groups_.size()) - 1;
  flags_.push_back(std::move(flag));
}

void Flags::text(const std::string& name, std::string& target, const std::string& meta,
                 const std::string& help, const std::string& shown) {
  Flag flag{name, meta, help, shown.empty() ? target : shown, ValueKind::text, "text that is not empty", {}};
  flag.read = [&target](const std::string& text) {
    target = text;
    return !text.empty();
  };
  push(std::move(flag));
}

void Flags::text(const std::string& name, std::optional<std::string>& target, const std::string& meta,
                 const std::string& help, const std::string& shown) {
  Flag flag{name, meta, help, target.value_or(shown), ValueKind::text, "text that is not empty", {}};
  flag.read = [&target](const std::string& text) {
    target = text;
    return !text.empty();
  };
  push(std::move(flag));
}

void Flags::recipe() {
  text("recipe", recipe_path_, "FILE", "flags from a TOML file, keys without dashes; the command line wins");
}

void Flags::argument(const std::string& name, std::string& target, const std::string& help, bool required) {
  arguments_.push_back({name, help, required, false, [&target](const std::string& text) { target = text; }});
}

void Flags::arguments(const std::string& name, std::vector<std::string>& target, const std::string& help) {
  arguments_.push_back(
      {name, help, true, true, [&target](const std::string& text) { target.push_back(text); }});
}

std::vector<std::string> Flags::names() const {
  std::vector<std::string> result = {"--help"};
  for (const Flag& flag : flags_) {
    result.push_back("--" + flag.name);
    if (flag.has_negative) result.push_back("--no-" + flag.name);
  }
  return result;
}

namespace {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

/// What CLI11 could not place: the first flag that it does not know.
void refuse_unknown(const std::vector<std::string>& rest, const std::string& command,
                    const std::vector<std::string>& known) {
  for (const std::string& text : rest) {
    if (text == "--") continue;
    const std::string name = text.substr(0, text.find('='));
    throw UsageError("unknown flag '" + printable(name) + "' of vmoe " + command + did_you_mean(name, known) +
                     " (vmoe " + command + " --help lists them)");
  }
}

// CLI11 reads "[a,b]" as a list of two and "{}" as none, which here are names like any other. A mark in front
// of a text, which no flag starts with, keeps it from looking inside.
constexpr char kMark = '\x01';

std::string marked(const std::string& argument) {
  if (!argument.starts_with('-')) return kMark + argument;
  const size_t equals = argument.find('=');
  if (!argument.starts_with("--") || equals == std::string::npos) return argument;
  return argument.substr(0, equals + 1) + kMark + argument.substr(equals + 1);
}

void unmark(std::vector<std::string>& texts) {
  for (std::string& text : texts) {
    if (text.starts_with(kMark)) text.erase(0, 1);
  }
}

}  // namespace

// CLI11's messages start with the flag: "--lr: 1 required TEXT missing", "json was given a disallowed ...".
std::string Flags::explain(const std::string& message) const {
  const std::string name = message.substr(0, message.find_first_of(": "));
  for (const Flag& flag : flags_) {
    if (name == "--" + flag.name) return name + " lacks its value; it must be " + flag.right;
    if (name == flag.name) return "--" + name + " takes no value";
    if (name == "no-" + flag.name) return "--" + name + " takes no value";
  }
  return printable(message);
}

Flags::Given Flags::split(Arguments arguments) const {
  Given given;
  given.values.resize(flags_.size());
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", given.help);
  app.add_option("arguments", given.arguments);
  for (size_t i = 0; i < flags_.size(); ++i) {
    const Flag& flag = flags_[i];
    const std::string name = (flag.name == "recipe" ? "-c,--" : "--") + flag.name;
    const auto add = [&values = given.values[i]](const std::string& text) { values.push_back(text); };
    if (flag.kind != ValueKind::yes_no) {
      app.add_option(name, given.values[i])
          ->expected(1)
          ->allow_extra_args(false)  // what follows the value is an argument
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    } else {
      app.add_flag_callback(name, [add] { add("true"); })->disable_flag_override();
      if (flag.has_negative) {
        app.add_flag_callback("--no-" + flag.name, [add] { add("false"); })->disable_flag_override();
      }
    }
  }
  std::vector<std::string> reversed;  // as CLI11 wants them
  std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(reversed), marked);
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    throw UsageError(explain(error.what()));
  }
  refuse_unknown(app.remaining(), purpose_.command, names());
  unmark(given.arguments);
  for (std::vector<std::string>& values : given.values) unmark(values);
  return given;
}

void Flags::set(Flag& flag, const std::string& text, const std::string& where) {
  flag.given = flag.read(text);
  if (flag.given) return;
  throw UsageError(where + " is '" + printable(text) + "'; it must be " + flag.right +
                   (flag.words.empty() ? "" : did_you_mean(text, flag.words)));
}

void Flags::apply_recipe(const std::string& path) {
  std::vector<std::string> keys;
  for (const Argument& argument : arguments_) keys.push_back(lower_case(argument.name));
  for (const Flag& flag : flags_) {
    if (flag.name != "recipe") keys.push_back(flag.name);
  }
  for (const RecipeEntry& entry : read_recipe(path)) {
    const std::string where = path + ", line " + std::to_string(entry.line) + ": ";
    const auto key = std::find(keys.begin(), keys.end(), entry.key);
    if (key == keys.end()) {
      throw UsageError(where + "unknown key '" + printable(entry.key) + "'" + did_you_mean(entry.key, keys));
    }
    const size_t place = static_cast<size_t>(key - keys.begin());
    if (place < arguments_.size()) {
      if (entry.kind != ValueKind::text)
        throw UsageError(where + "'" + entry.key + "' must be text in quotes");
      arguments_[place].take(entry.text);
      arguments_[place].taken = true;
      continue;
    }
    Flag& flag = *std::find_if(flags_.begin(), flags_.end(), [&](const Flag& f) { return f.name == *key; });
    const bool number = flag.kind == ValueKind::number && entry.kind == ValueKind::whole;
    if (entry.kind != flag.kind && !number) {
      const std::string quotes = entry.kind == ValueKind::text ? ", without quotes" : ", in quotes";
      throw UsageError(where + "'" + entry.key + "' is " + printable(entry.text) + "; it must be " +
                       flag.right +
                       (flag.kind == ValueKind::text || entry.kind == ValueKind::text ? quotes : ""));
    }
    set(flag, entry.text, where + "'" + entry.key + "'");
  }
}

void Flags::take_arguments(const std::vector<std::string>& given) {
  size_t place = 0;
  for (const std::string& text : given) {
    if (place == arguments_.size()) {
      throw UsageError("unexpected '" + printable(text) + "'; the usage is: " + usage_line());
    }
    Argument& argument = arguments_[place];
    argument.take(text);
    argument.taken = true;
    if (!argument.repeats) ++place;
  }
  for (const Argument& argument : arguments_) {
    if (argument.taken || !argument.required) continue;
    throw UsageError("vmoe " + purpose_.command + " needs " + argument.name + ": " + argument.help +
                     " (vmoe " + purpose_.command + " --help shows an example)");
  }
}

bool Flags::parse(Arguments arguments, std::ostream& out) {
  const Given given = split(arguments);
  if (given.help) {
    out << help();
    return false;
  }
  for (size_t i = 0; i < flags_.size(); ++i) {
    if (flags_[i].name == "recipe" && !given.values[i].empty())
      set(flags_[i], given.values[i].back(), "--recipe");
  }
  if (!recipe_path_.empty()) apply_recipe(recipe_path_);
  for (size_t i = 0; i < flags_.size(); ++i) {
    const std::vector<std::string>& values = given.values[i];
    const std::string name = "--" + flags_[i].name;
    if (flags_[i].kind == ValueKind::yes_no && values.size() > 1) {
      throw UsageError(name + " and --no-" + flags_[i].name + " exclude each other");
    }
    if (!values.empty()) set(flags_[i], values.back(), name);
  }
  take_arguments(given.arguments);
  return true;
}

std::string Flags::first_given(const std::string& group) const {
  for (const Flag& flag : flags_) {
    if (flag.given && groups_[static_cast<size_t>(flag.group)].title == group) return "--" + flag.name;
  }
  return "";
}

std::string Flags::first_given_of(const std::vector<std::string>& names) const {
  for (const Flag& flag : flags_) {
    if (flag.given && std::find(names.begin(), names.end(), flag.name) != names.end())
      return "--" + flag.name;
  }
  return "";
}

}  // namespace vmoe
