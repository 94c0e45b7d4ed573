#include "moe/config.h"

#include <cmath>

#include "moe/routers/table.h"
#include "tensor/error.h"
#include "tensor/json_fields.h"

namespace vmoe {

namespace {

constexpr const char* kRouterPools[] = {"mean", "cls"};
constexpr int kMostExperts = 65536;

std::string is_wrong(const std::string& key, const std::string& value, const std::string& expected) {
  return key + " is " + value + ", it should be " + expected;
}

std::string range_problem(const char* key, int value, int high, const std::string& what_high_is) {
  if (value >= 1 && value <= high) return "";
  return is_wrong(key, std::to_string(value), "from 1 to " + what_high_is);
}

std::string size_problem(const ModelConfig& c) {
  const std::string experts = std::to_string(c.moe.experts);
  for (const std::string& problem :
       {range_problem("experts", c.moe.experts, kMostExperts, std::to_string(kMostExperts)),
        range_problem("top_k", c.moe.top_k, c.moe.experts, "experts, which is " + experts),
        c.moe.moe_layers.problem(c.vit.depth)}) {
    if (!problem.empty()) return problem;
  }
  const double expert = 2.0 * c.vit.dim * c.vit.mlp_dim;
  if (!(expert * c.moe.experts * static_cast<double>(c.moe_blocks().size()) <= 0x1p40)) {
    return is_wrong("experts", experts, "smaller: all experts together need more than 2^40 parameters");
  }
  return "";
}

std::string weight_problem(const char* key, double weight) {
  if (weight >= 0 && weight <= 1e6) return "";
  return is_wrong(key, std::isfinite(weight) ? shown(weight) : std::to_string(weight), "from 0 to 1e6");
}

std::string super_class_problem(const ModelConfig& c) {
  for (const std::string& problem : {weight_problem("super_class_weight", c.moe.super_class_weight),
                                     weight_problem("balance_weight", c.moe.balance_weight)}) {
    if (!problem.empty()) return problem;
  }
  const std::vector<int>& map = c.moe.super_classes;
  if (map.empty()) return "";
  if (c.moe.routes_tokens())
    return "super_classes are of images, but router " + c.moe.router + " sends tokens; it should be image";
  if (map.size() != static_cast<size_t>(c.vit.classes)) {
    return "super_classes has " + std::to_string(map.size()) +
           " entries, it should have one for each of the " + std::to_string(c.vit.classes) + " classes";
  }
  for (size_t n = 0; n < map.size(); ++n) {
    if (map[n] < 0 || map[n] >= c.moe.experts) {
      return is_wrong("super_classes[" + std::to_string(n) + "]", std::to_string(map[n]),
                      "from 0 to " + std::to_string(c.moe.experts - 1) + ", one of the experts");
    }
  }
  return "";
}

std::string moe_problem(const ModelConfig& c) {
  try {
    find_router(c.moe.router);
  } catch (const UsageError& error) {
    return error.what();
  }
  if (std::string problem = size_problem(c); !problem.empty()) return problem;
  if (c.moe.router_pool == RouterPool::cls && c.moe.routes_tokens())
    return is_wrong("router_pool", "cls", "mean: router " + c.moe.router + " reads tokens one by one");
  if (c.moe.router_pool == RouterPool::cls && !c.vit.has_class_token()) {
    return is_wrong("router_pool", "cls",
                    std::string("mean: a model with pool ") + name_of(c.vit.pool) + " has no class token");
  }
  return super_class_problem(c);
}

MoeConfig moe_config_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  MoeConfig c;
  std::string layers;
  JsonFields fields(json, where);
  fields.read("router", c.router);
  fields.read("experts", c.experts);
  fields.read("top_k", c.top_k);
  fields.read("moe_layers", layers);
  fields.read("router_pool", c.router_pool, kRouterPools);
  if (fields.has("renormalise")) fields.read("renormalise", c.renormalise);
  if (fields.has("shared_expert")) fields.read("shared_expert", c.shared_expert);
  fields.read("super_classes", c.super_classes);
  fields.read("super_class_weight", c.super_class_weight);
  if (fields.has("balance_weight")) fields.read("balance_weight", c.balance_weight);
  fields.finish();
  try {
    c.moe_layers = parse_block_choice(layers);
  } catch (const UsageError& error) {
    throw InputError(where + ": " + error.what());
  }
  return c;
}

}  // namespace

const char* name_of(RouterPool pool) {
  return kRouterPools[static_cast<int>(pool)];
}

bool MoeConfig::routes_tokens() const {
  return !is_dense() && find_router(router).unit == Unit::token;
}

std::vector<int> ModelConfig::deciding_blocks() const {
  std::vector<int> blocks = moe_blocks();
  if (!moe.is_dense() && !moe.routes_tokens()) blocks.resize(1);
  return blocks;
}

std::string problem_with(const ModelConfig& config) {
  if (std::string problem = problem_with(config.vit); !problem.empty()) return problem;
  return config.moe.is_dense() ? "" : moe_problem(config);
}

void validate(const ModelConfig& config, const std::string& where) {
  if (const std::string problem = problem_with(config); !problem.empty())
    throw UsageError(where + ": " + problem);
}

nlohmann::ordered_json to_json(const ModelConfig& c) {
  return {{"vit", to_json(c.vit)},
          {"moe",
           {{"router", c.moe.router},
            {"experts", c.moe.experts},
            {"top_k", c.moe.top_k},
            {"moe_layers", to_text(c.moe.moe_layers)},
            {"router_pool", name_of(c.moe.router_pool)},
            {"renormalise", c.moe.renormalise},
            {"shared_expert", c.moe.shared_expert},
            {"super_classes", c.moe.super_classes},
            {"super_class_weight", c.moe.super_class_weight},
            {"balance_weight", c.moe.balance_weight}}}};
}

ModelConfig model_config_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  ModelConfig c;
  JsonFields fields(json, where);
  c.vit = vit_config_from_json(fields.object("vit"), where + ": vit");
  c.moe = moe_config_from_json(fields.object("moe"), where + ": moe");
  fields.finish();
  if (const std::string problem = problem_with(c); !problem.empty()) throw InputError(where + ": " + problem);
  return c;
}

}  // namespace vmoe
