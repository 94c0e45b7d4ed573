// Flags, recipes and help, apart from any command.

#include "cli/flags.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "tensor/error.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using vmoe::testing::TemporaryFolder;

namespace {

// A command with a flag of every kind.
struct Example {
  std::string data, name = "none", shape = "round", recipe;
  int count = 3;
  std::optional<double> size;
  bool loud = false;
  std::optional<bool> flip;
  std::vector<std::string> rest;
  std::string help_text;
  Flags flags{{"paint", "Paints.", "vmoe paint wall --count 2"}};

  explicit Example(bool many = false) {
    flags.argument("DATA", data, "what to paint");
    if (many) flags.arguments("MORE", rest, "more of it");
    flags.group("Paint", "of any kind");
    flags.add("count", count, between(1, 9), "coats");
    flags.add("size", size, above(0), "");
    flags.text("name", name, "NAME", "of the paint");
    flags.choice("shape", shape, {"round", "square"}, "of the brush");
    flags.toggle("loud", loud, "sing");
    flags.toggle("flip", flip, "");
    flags.recipe();
  }

  bool parse(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    const bool go_on = flags.parse(arguments, out);
    help_text = out.str();
    return go_on;
  }
  // The error that these arguments bring.
  std::string error(const std::vector<std::string>& arguments) {
    try {
      parse(arguments);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no error";
  }
};

std::string write_recipe(const TemporaryFolder& folder, const std::string& text) {
  std::ofstream(folder / "r.toml") << text;
  return (folder / "r.toml").string();
}

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("flags reach their variables, whether by space or by equals sign, and the last one counts") {
  Example e;
  CHECK(e.parse(
      {"wall", "--count", "4", "--size=0.5", "--name", "blue", "--shape", "square", "--loud", "--count=5"}));
  CHECK(e.data == "wall");
  CHECK(e.count == 5);
  CHECK(e.size == 0.5);
  CHECK(e.name == "blue");
  CHECK(e.shape == "square");
  CHECK(e.loud);
  CHECK(!e.flip.has_value());
}

TEST_CASE("flags that are not given leave their variables alone") {
  Example e;
  CHECK(e.parse({"wall"}));
  CHECK(e.count == 3);
  CHECK(!e.size.has_value());
  CHECK(e.shape == "round");
}

TEST_CASE("an undecided switch can be turned on and off, but not both") {
  Example on, off, both;
  CHECK(on.parse({"wall", "--flip"}));
  CHECK(on.flip == true);
  CHECK(off.parse({"wall", "--no-flip"}));
  CHECK(off.flip == false);
  CHECK(holds(both.error({"wall", "--flip", "--no-flip"}), "--flip and --no-flip"));
  CHECK(holds(Example().error({"wall", "--no-loud"}), "unknown flag '--no-loud'"));
  CHECK(holds(Example().error({"wall", "--loud=3"}), "--loud takes no value"));
}

TEST_CASE(
    "a value out of range, of another type, or missing is an error with flag, value and what is right") {
  for (const char* bad :
       {"0", "10", "-1", "2.5", "1e0", "five", "", " 3", "3x", "99999999999999999999", "nan"}) {
    CAPTURE(bad);
    CHECK(Example().error({"wall", "--count", bad}) ==
          std::string("--count is '") + bad + "'; it must be a whole number from 1 to 9");
  }
  for (const char* bad : {"0", "-1", "nan", "inf", "-inf", "1e999", "0x1", "1,5"}) {
    CAPTURE(bad);
    CHECK(Example().error({"wall", "--size", bad}) ==
          std::string("--size is '") + bad + "'; it must be a number above 0");
  }
  CHECK(holds(Example().error({"wall", "--shape", "sqare"}), "round or square; did you mean 'square'?"));
  CHECK(holds(Example().error({"wall", "--name", ""}), "--name is ''"));
  CHECK(holds(Example().error({"wall", "--count"}), "--count lacks its value; it must be a whole number"));
}

TEST_CASE("an unknown flag is named before anything else is wrong, with the nearest one") {
  CHECK(holds(Example().error({"--cuont", "5"}),
              "unknown flag '--cuont' of vmoe paint; did you mean '--count'?"));
  CHECK(holds(Example().error({"wall", "--no-flp"}), "did you mean '--no-flip'?"));
  CHECK(holds(Example().error({"wall", "--coun=5", "--count=x"}), "'--coun'"));
  CHECK(holds(Example().error({"wall", "-q"}), "unknown flag '-q'"));
}

TEST_CASE("arguments are counted: too few and too many are errors") {
  CHECK(holds(Example().error({}), "vmoe paint needs DATA: what to paint"));
  CHECK(holds(Example().error({"wall", "door"}), "unexpected 'door'; the usage is: vmoe paint DATA [flags]"));
  Example many(true);
  CHECK(many.parse({"wall", "a", "--loud", "-", "--", "--b"}));
  CHECK(many.rest == std::vector<std::string>{"a", "-", "--b"});
  CHECK(holds(Example(true).error({"wall"}), "needs MORE"));
}

TEST_CASE("what follows the value of a flag is an argument, not another value") {
  Example e(true);
  CHECK(e.parse({"--count", "2", "wall", "--name", "red", "a", "b", "--size=5", "c"}));
  CHECK(e.count == 2);
  CHECK(e.data == "wall");
  CHECK(e.name == "red");
  CHECK(e.rest == std::vector<std::string>{"a", "b", "c"});
  CHECK(holds(Example().error({"wall", "--name", "red", "door"}), "unexpected 'door'"));
}

TEST_CASE("brackets and braces are letters of a name like any other") {
  for (const char* name : {"[x]", "[a,b]", "[]", "{}", "[", "[x", "\x01"}) {
    CAPTURE(name);
    Example e(true);
    CHECK(e.parse({name, name, "--name", name}));
    CHECK(e.data == name);
    CHECK(e.rest == std::vector<std::string>{name});
    CHECK(e.name == name);
    Example equals(true);
    CHECK(equals.parse({"wall", "--name=" + std::string(name), "--", name, "--[x]"}));
    CHECK(equals.name == name);
    CHECK(equals.rest == std::vector<std::string>{name, "--[x]"});
  }
  CHECK(holds(Example().error({"wall", "[x]"}), "unexpected '[x]'"));
}

TEST_CASE("a recipe sets flags and arguments, and the command line wins") {
  const TemporaryFolder folder;
  const std::string recipe =
      write_recipe(folder, "data = 'door'\ncount = 7\nsize = 2\nflip = false\nname = \"red\"\n");
  Example e;
  CHECK(e.parse({"-c", recipe, "--name", "blue"}));
  CHECK(e.data == "door");
  CHECK(e.count == 7);
  CHECK(e.size == 2);
  CHECK(e.flip == false);
  CHECK(e.name == "blue");
  CHECK(e.flags.recipe_path() == recipe);
  CHECK(e.flags.first_given("Paint") == "--count");
  Example other;
  CHECK(other.parse({"wall", "--recipe", recipe, "--flip"}));
  CHECK(other.data == "wall");
  CHECK(other.flip == true);
}

TEST_CASE("a mistake in a recipe is named with file, line, key and what would be right") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& text) {
    const std::string path = write_recipe(folder, "# paint\n" + text + "\n");
    const std::string line = Example().error({"wall", "-c", path});
    CHECK(holds(line, path + ", line 2: "));
    return line;
  };
  CHECK(holds(error("cuont = 3"), "unknown key 'cuont'; did you mean 'count'?"));
  CHECK(holds(error("recipe = 'x'"), "unknown key 'recipe'"));
  CHECK(holds(error("count = '3'"), "'count' is 3; it must be a whole number from 1 to 9, without quotes"));
  CHECK(holds(error("count = 3.0"), "'count' is 3; it must be a whole number"));
  CHECK(holds(error("count = 12"), "'count' is '12'; it must be a whole number from 1 to 9"));
  CHECK(holds(error("size = nan"), "'size' is 'nan'; it must be a number above 0"));
  CHECK(holds(error("name = 3"), "in quotes"));
  CHECK(holds(error("loud = 1"), "'loud' is 1; it must be true or false"));
  CHECK(holds(error("shape = 'squar'"), "did you mean 'square'?"));
  CHECK(holds(error("[paint]"), "is a table"));
  CHECK(holds(error("count = [1, 2]"), "is a table, a list"));
  CHECK(holds(error("data = 3"), "'data' must be text in quotes"));
}

TEST_CASE("a recipe that cannot be read or is no TOML is an error, however deep or long") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(Example().parse({"wall", "-c", (folder / "none.toml").string()}), IoError);
  for (const std::string& text : {std::string("count = = 3"), std::string("\xff\xfe\x00", 3),
                                  std::string("a = ") + std::string(5000, '['),
                                  std::string("count = 1\ncount = 2"), std::string(2 << 20, '#')}) {
    CHECK_THROWS_AS(Example().parse({"wall", "-c", write_recipe(folder, text)}), InputError);
  }
}

TEST_CASE("help has sentence, example, usage, groups, defaults and exit codes, in this order") {
  Example e;
  CHECK(!e.parse({"--help"}));
  size_t place = 0;
  for (const char* part :
       {"Paints.\n\n  vmoe paint wall --count 2\n\nUsage: vmoe paint DATA [flags]\n", "DATA",
        "what to paint\n", "Paint: of any kind\n", "--count N", "coats [3]\n", "--name NAME", "[none]",
        "--shape round|square", "-c, --recipe FILE", "--size X  --[no-]flip\n", "Exit codes: 0 done"}) {
    CAPTURE(part);
    place = e.help_text.find(part, place);
    CHECK(place != std::string::npos);
  }
  CHECK(!Example().parse({"wall", "--count", "99", "-h"}));
}
