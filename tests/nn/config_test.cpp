// Configurations: round trips, and a readable line for everything that can be wrong.

#include "nn/config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "nn/presets.h"
#include "tensor/error.h"
#include "tensor/json_fields.h"
#include "tests/support/messages.h"

namespace vmoe::testing {

namespace {

using Json = nlohmann::ordered_json;

std::string read_error(const Json& json) {
  return message_of<InputError>([&] { vit_config_from_json(json, "here"); });
}

TEST_CASE("every preset survives the way through JSON text") {
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    CHECK(problem_with(preset.config) == "");
    const Json json = Json::parse(to_json(preset.config).dump());
    CHECK(vit_config_from_json(json, "here") == preset.config);
  }
}

TEST_CASE("numbers that decimal text cannot hold exactly survive as well") {
  VitConfig config;
  config.norm_eps = 1.0 / 3e5;
  config.dropout = std::nextafter(0.1, 1);
  CHECK(vit_config_from_json(Json::parse(to_json(config).dump()), "here") == config);
}

TEST_CASE("a configuration of the wrong JSON type is refused with key, value and what would be right") {
  const std::pair<const char*, const char*> wrong[] = {
      {"dim", R"("wide")"},
      {"dim", "64.0"},
      {"dim", "null"},
      {"depth", "9223372036854775807"},
      {"depth", "[1]"},
      {"heads", "-9e99"},
      {"pool", R"("max")"},
      {"pool", "1"},
      {"positions", R"("rope")"},
      {"activation", "true"},
      {"fc_norm", "1"},
      {"norm_eps", R"("small")"},
      {"tokenizer", "{}"},
      {"dropout", "[]"},
      {"layer_scale", "{}"},
      {"classes", "18446744073709551615"},
      {"dim", "-2147483649"},
      {"dim", "2147483648"},
  };
  for (const auto& [key, value] : wrong) {
    Json json = to_json(VitConfig{});
    json[key] = Json::parse(value);
    check_line(read_error(json), std::string(key) + " is ");
    check_line(read_error(json), ", it should be ");
  }
}

TEST_CASE("missing and unknown keys are refused by name") {
  Json json = to_json(VitConfig{});
  json.erase("heads");
  check_line(read_error(json), "key 'heads' is missing");
  json = to_json(VitConfig{});
  json["colour"] = "blue";
  check_line(read_error(json), "unknown key \"colour\"; known: image_size, ");
  check_line(read_error(Json::parse("[1, 2]")), "should be an object");
  json = to_json(VitConfig{});
  json[std::string(1000000, '\n')] = 1;
  CHECK(read_error(json).find('\n') == std::string::npos);
  CHECK(read_error(json).size() < 500);
}

TEST_CASE("a value nested a hundred thousand deep is refused without a crash") {
  Json json = to_json(VitConfig{});
  json["dim"] = Json::parse(std::string(100000, '[') + std::string(100000, ']'));
  check_line(read_error(json), "dim is a list");
}

TEST_CASE("a configuration that cannot work is refused with key, value and what would be right") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  struct Wrong {
    const char* part;
    std::function<void(VitConfig&)> change;
  };
  const Wrong wrong[] = {
      {"image_size is 0, it should be from 1 to 65536", [](VitConfig& c) { c.image_size = 0; }},
      {"channels is -3", [](VitConfig& c) { c.channels = -3; }},
      {"patch_size is 5, it should be a divisor of image_size 32", [](VitConfig& c) { c.patch_size = 5; }},
      {"patch_size is 64, it should be a divisor of image_size 32", [](VitConfig& c) { c.patch_size = 64; }},
      {"patch_size is 0", [](VitConfig& c) { c.patch_size = 0; }},
      {"conv_layers is 0", [](VitConfig& c) { c.conv_layers = 0; }},
      {"dim is 0", [](VitConfig& c) { c.dim = 0; }},
      {"depth is 0", [](VitConfig& c) { c.depth = 0; }},
      {"heads is 0", [](VitConfig& c) { c.heads = 0; }},
      {"heads is 5, it should be a divisor of dim 192", [](VitConfig& c) { c.heads = 5; }},
      {"mlp_dim is 0", [](VitConfig& c) { c.mlp_dim = 0; }},
      {"classes is 1, it should be from 2", [](VitConfig& c) { c.classes = 1; }},
      {"layer_scale is -1", [](VitConfig& c) { c.layer_scale = -1; }},
      {"norm_eps is 0", [](VitConfig& c) { c.norm_eps = 0; }},
      {"norm_eps is nan", [=](VitConfig& c) { c.norm_eps = kNan; }},
      {"dropout is 1", [](VitConfig& c) { c.dropout = 1; }},
      {"drop_path is -0.1", [](VitConfig& c) { c.drop_path = -0.1; }},
      {"drop_path is nan", [=](VitConfig& c) { c.drop_path = kNan; }},
      {"a multiple of 4 for positions",
       [](VitConfig& c) {
         c.dim = 6;
         c.positions = Positions::sincos;
       }},
      {"more than 2^40 parameters",
       [](VitConfig& c) {
         c.dim = 1 << 20;
         c.heads = 1;
       }},
      {"tokens, more than 2^40 numbers an image",
       [](VitConfig& c) {
         c.image_size = 65536;
         c.patch_size = 1;
       }},
  };
  for (const Wrong& w : wrong) {
    VitConfig config;
    w.change(config);
    check_line(message_of<UsageError>([&] { validate(config, "here"); }), w.part);
    if (std::isfinite(config.norm_eps + config.drop_path)) check_line(read_error(to_json(config)), w.part);
  }
}

TEST_CASE("an unknown model name is answered with the known ones") {
  const std::string line = message_of<UsageError>([] { find_preset("vit_tiny"); });
  CHECK(line.find("'vit_tiny'") != std::string::npos);
  CHECK(line.find("vit_tiny_patch16_224") != std::string::npos);
  CHECK(find_preset("cifar192").config.dim == 192);
}

}  // namespace

}  // namespace vmoe::testing
