#include "nn/config.h"

#include <cmath>
#include <vector>

#include "tensor/error.h"
#include "tensor/json_fields.h"

namespace vmoe {

namespace {

constexpr const char* kTokenizers[] = {"patch", "conv"};
constexpr const char* kPools[] = {"cls", "mean", "seq"};
constexpr const char* kPositions[] = {"learned", "sincos", "none"};
constexpr const char* kActivations[] = {"gelu", "gelu_tanh"};

constexpr double kMostNumbers = 1099511627776.0;  // 2^40

std::string is_wrong(const std::string& key, const std::string& value, const std::string& expected) {
  return key + " is " + value + ", it should be " + expected;
}

std::string number(double value) {
  return std::isfinite(value) ? shown(value) : std::to_string(value);
}
std::string number(int value) {
  return std::to_string(value);
}

struct SizeRange {
  const char* key;
  int value, low, high;
};

std::string size_problem(const VitConfig& c) {
  const SizeRange ranges[] = {
      {"image_size", c.image_size, 1, 65536},
      {"channels", c.channels, 1, 4096},
      {"patch_size", c.patch_size, 1, 65536},
      {"conv_layers", c.conv_layers, 1, 16},
      {"dim", c.dim, 1, 1 << 20},
      {"depth", c.depth, 1, 1024},
      {"heads", c.heads, 1, 1 << 20},
      {"mlp_dim", c.mlp_dim, 1, 1 << 24},
      {"classes", c.classes, 2, 1 << 24},
  };
  for (const SizeRange& range : ranges) {
    if (range.value < range.low || range.value > range.high) {
      return is_wrong(range.key, number(range.value),
                      "from " + number(range.low) + " to " + number(range.high));
    }
  }
  return "";
}

// Comparisons are written so that NaN is a problem.
std::string rate_problem(const VitConfig& c) {
  if (!(c.layer_scale >= 0 && c.layer_scale <= 1000)) {
    return is_wrong("layer_scale", number(c.layer_scale), "from 0 (none) to 1000");
  }
  if (!(c.norm_eps >= 1e-30 && c.norm_eps <= 1)) {
    return is_wrong("norm_eps", number(c.norm_eps), "from 1e-30 to 1");
  }
  if (!(c.dropout >= 0 && c.dropout < 1)) {
    return is_wrong("dropout", number(c.dropout), "at least 0 and below 1");
  }
  if (!(c.drop_path >= 0 && c.drop_path < 1)) {
    return is_wrong("drop_path", number(c.drop_path), "at least 0 and below 1");
  }
  return "";
}

std::string division_problem(const VitConfig& c) {
  if (c.dim % c.heads != 0) {
    return is_wrong("heads", number(c.heads), "a divisor of dim " + number(c.dim));
  }
  if (c.tokenizer == TokenizerKind::patch && c.image_size % c.patch_size != 0) {
    return is_wrong("patch_size", number(c.patch_size), "a divisor of image_size " + number(c.image_size));
  }
  if (c.positions == Positions::sincos && c.dim % 4 != 0) {
    return is_wrong("dim", number(c.dim), "a multiple of 4 for positions \"sincos\"");
  }
  return "";
}

// In floating point, where nothing overflows; exact enough for a bound.
double parameter_estimate(const VitConfig& c) {
  const double dim = c.dim, block = dim * (4 * dim + 2.0 * c.mlp_dim);
  const double patch = dim * c.channels * c.patch_size * c.patch_size;
  return c.depth * block + patch + dim * c.classes + dim * static_cast<double>(c.tokens());
}

double activation_estimate(const VitConfig& c) {
  const double tokens = static_cast<double>(c.tokens());
  const double pixels = static_cast<double>(c.image_size) * c.image_size * (9.0 * c.channels + 64);
  return pixels + tokens * (8.0 * c.dim + 2.0 * c.mlp_dim + c.heads * tokens);
}

std::string total_problem(const VitConfig& c) {
  if (!(parameter_estimate(c) <= kMostNumbers)) {
    return "dim " + number(c.dim) + ", mlp_dim " + number(c.mlp_dim) + ", depth " + number(c.depth) +
           " need more than 2^40 parameters; they should be smaller";
  }
  if (!(activation_estimate(c) <= kMostNumbers)) {
    return "image_size " + number(c.image_size) + " makes " + std::to_string(c.tokens()) +
           " tokens, more than 2^40 numbers an image; it should be smaller, or patch_size larger";
  }
  return "";
}

}  // namespace

const char* name_of(TokenizerKind kind) {
  return kTokenizers[static_cast<int>(kind)];
}
const char* name_of(Pool pool) {
  return kPools[static_cast<int>(pool)];
}
const char* name_of(Positions positions) {
  return kPositions[static_cast<int>(positions)];
}
const char* name_of(Activation activation) {
  return kActivations[static_cast<int>(activation)];
}

int VitConfig::grid() const {
  if (tokenizer == TokenizerKind::patch) return image_size / patch_size;
  int side = image_size;
  for (int i = 0; i < conv_layers; ++i) side = (side + 1) / 2;
  return side;
}

std::string problem_with(const VitConfig& config) {
  for (const auto& check : {size_problem, rate_problem, division_problem, total_problem}) {
    if (std::string problem = check(config); !problem.empty()) return problem;
  }
  return "";
}

void validate(const VitConfig& config, const std::string& where) {
  if (const std::string problem = problem_with(config); !problem.empty())
    throw UsageError(where + ": " + problem);
}

nlohmann::ordered_json to_json(const VitConfig& c) {
  return {{"image_size", c.image_size},
          {"channels", c.channels},
          {"tokenizer", name_of(c.tokenizer)},
          {"patch_size", c.patch_size},
          {"conv_layers", c.conv_layers},
          {"dim", c.dim},
          {"depth", c.depth},
          {"heads", c.heads},
          {"mlp_dim", c.mlp_dim},
          {"pool", name_of(c.pool)},
          {"positions", name_of(c.positions)},
          {"layer_scale", c.layer_scale},
          {"fc_norm", c.fc_norm},
          {"norm_eps", c.norm_eps},
          {"activation", name_of(c.activation)},
          {"classes", c.classes},
          {"dropout", c.dropout},
          {"drop_path", c.drop_path}};
}

VitConfig vit_config_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  VitConfig c;
  JsonFields fields(json, where);
  fields.read("image_size", c.image_size);
  fields.read("channels", c.channels);
  fields.read("tokenizer", c.tokenizer, kTokenizers);
  fields.read("patch_size", c.patch_size);
  fields.read("conv_layers", c.conv_layers);
  fields.read("dim", c.dim);
  fields.read("depth", c.depth);
  fields.read("heads", c.heads);
  fields.read("mlp_dim", c.mlp_dim);
  fields.read("pool", c.pool, kPools);
  fields.read("positions", c.positions, kPositions);
  fields.read("layer_scale", c.layer_scale);
  fields.read("fc_norm", c.fc_norm);
  fields.read("norm_eps", c.norm_eps);
  fields.read("activation", c.activation, kActivations);
  fields.read("classes", c.classes);
  fields.read("dropout", c.dropout);
  fields.read("drop_path", c.drop_path);
  fields.finish();
  if (const std::string problem = problem_with(c); !problem.empty()) throw InputError(where + ": " + problem);
  return c;
}

}  // namespace vmoe
