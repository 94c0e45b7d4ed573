// Configurations of models with experts, and what they cost.

#include "moe/config.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "moe/layers.h"
#include "moe/model.h"
#include "nn/presets.h"
#include "tensor/json_fields.h"
#include "tests/support/messages.h"

namespace vmoe::testing {

namespace {

using Json = nlohmann::ordered_json;

ModelConfig mixture() {
  ModelConfig c;
  c.moe.router = "image";
  c.moe.experts = 4;
  c.moe.top_k = 2;
  c.moe.super_classes = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1};
  return c;
}

std::string read_error(const Json& json) {
  return message_of<InputError>([&] { model_config_from_json(json, "here"); });
}

TEST_CASE("dense models and mixtures survive the way through JSON text") {
  ModelConfig cls = mixture();
  cls.vit.pool = Pool::cls;
  cls.moe.router_pool = RouterPool::cls;
  cls.moe.super_class_weight = 0.1 + 0.2;
  cls.moe.renormalise = cls.moe.shared_expert = true;
  cls.moe.balance_weight = 0.1 + 0.2;
  ModelConfig every = mixture(), listed = mixture();
  every.moe.moe_layers = BlockChoice::every(3);
  listed.moe.moe_layers = BlockChoice::listed({0, 4, 8});
  for (const ModelConfig& c : {ModelConfig{}, mixture(), cls, every, listed}) {
    CHECK(problem_with(c) == "");
    CHECK(model_config_from_json(Json::parse(to_json(c).dump()), "here") == c);
  }
  CHECK(to_json(mixture())["moe"]["moe_layers"] == "last:2");
}

TEST_CASE("a file from before a key was there is read as what it was") {
  Json json = to_json(mixture());
  for (const char* key : {"renormalise", "shared_expert", "balance_weight"}) json["moe"].erase(key);
  CHECK(model_config_from_json(json, "here") == mixture());
  for (const char* key : {"experts", "top_k", "moe_layers", "router_pool", "super_classes"}) {
    Json without = to_json(mixture());
    without["moe"].erase(key);
    check_line(read_error(without), std::string("key '") + key + "' is missing");
  }
}

TEST_CASE("a model that cannot work is refused with key, value and what would be right") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  struct Wrong {
    const char* part;
    std::function<void(ModelConfig&)> change;
  };
  const Wrong wrong[] = {
      {"no router is called 'topk'; known: none, image, token",
       [](ModelConfig& c) { c.moe.router = "topk"; }},
      {"experts is 0, it should be from 1", [](ModelConfig& c) { c.moe.experts = 0; }},
      {"experts is 70000", [](ModelConfig& c) { c.moe.experts = 70000; }},
      {"top_k is 5, it should be from 1 to experts, which is 4", [](ModelConfig& c) { c.moe.top_k = 5; }},
      {"top_k is 0", [](ModelConfig& c) { c.moe.top_k = 0; }},
      {"moe_layers is last:10, its number should be from 1 to depth, which is 9",
       [](ModelConfig& c) { c.moe.moe_layers = BlockChoice::last(10); }},
      {"moe_layers is last:0", [](ModelConfig& c) { c.moe.moe_layers = BlockChoice::last(0); }},
      {"moe_layers is every:10, its number should be from 1 to depth, which is 9",
       [](ModelConfig& c) { c.moe.moe_layers = BlockChoice::every(10); }},
      {"moe_layers is 3,9, blocks should be from 0 to 8, as depth is 9",
       [](ModelConfig& c) {
         c.moe.moe_layers = BlockChoice::listed({3, 9});
       }},
      {"moe_layers is 3,3, it should name each block once, in rising order",
       [](ModelConfig& c) {
         c.moe.moe_layers = BlockChoice::listed({3, 3});
       }},
      {"super_class_weight is -1", [](ModelConfig& c) { c.moe.super_class_weight = -1; }},
      {"balance_weight is -1", [](ModelConfig& c) { c.moe.balance_weight = -1; }},
      {"balance_weight is nan", [=](ModelConfig& c) { c.moe.balance_weight = kNan; }},
      {"super_class_weight is nan", [=](ModelConfig& c) { c.moe.super_class_weight = kNan; }},
      {"super_classes has 3 entries, it should have one for each of the 10 classes",
       [](ModelConfig& c) {
         c.moe.super_classes = {0, 1, 2};
       }},
      {"super_classes[3] is 4, it should be from 0 to 3", [](ModelConfig& c) { c.moe.super_classes[3] = 4; }},
      {"super_classes[0] is -1", [](ModelConfig& c) { c.moe.super_classes[0] = -1; }},
      {"router_pool is cls, it should be mean: a model with pool mean has no class token",
       [](ModelConfig& c) { c.moe.router_pool = RouterPool::cls; }},
      {"super_classes are of images, but router token sends tokens",
       [](ModelConfig& c) { c.moe.router = "token"; }},
      {"router_pool is cls, it should be mean: router token reads tokens one by one",
       [](ModelConfig& c) {
         c.moe.router = "token";
         c.moe.super_classes = {};
         c.vit.pool = Pool::cls;
         c.moe.router_pool = RouterPool::cls;
       }},
      {"heads is 7, it should be a divisor of dim", [](ModelConfig& c) { c.vit.heads = 7; }},
      {"all experts together need more than 2^40 parameters",
       [](ModelConfig& c) {
         c.vit.dim = 1 << 14;
         c.vit.heads = 1;
         c.vit.mlp_dim = 1 << 14;
         c.moe.experts = 65536;
       }},
  };
  for (const Wrong& w : wrong) {
    ModelConfig config = mixture();
    w.change(config);
    check_line(message_of<UsageError>([&] { validate(config, "here"); }), w.part);
    if (std::isfinite(config.moe.super_class_weight + config.moe.balance_weight))
      check_line(read_error(to_json(config)), w.part);
  }
}

TEST_CASE("malformed JSON of a model is refused by key") {
  const auto with = [](const char* part, const char* key, const char* value) {
    Json json = to_json(mixture());
    json[part][key] = Json::parse(value);
    return json;
  };
  check_line(read_error(with("moe", "experts", "\"many\"")), "moe: experts is \"many\"");
  check_line(read_error(with("moe", "top_k", "1.5")), "moe: top_k is 1.5");
  check_line(read_error(with("moe", "router", "3")), "moe: router is 3, it should be a string");
  check_line(read_error(with("moe", "super_classes", "[0, \"a\"]")),
             "super_classes is a list, it should be a list of");
  check_line(read_error(with("moe", "router_pool", "\"max\"")), "it should be one of mean, cls");
  check_line(read_error(with("moe", "capacity", "1")), "unknown key \"capacity\"");
  check_line(read_error(with("vit", "dim", "null")), "vit: dim is null");
  check_line(read_error(with("extra", "x", "1")), "unknown key \"extra\"");
  for (const char* layers :
       {"\"first:2\"", "\"last:\"", "\"last:two\"", "\"last:2x\"", "\"last:-1\"", "\"last:99999999999\"",
        "\"\"", "\"every:\"", "\"1,\"", "\",1\"", "\"1,,2\"", "\"1, 2\"", "\"-1\"", "\"1;2\""}) {
    check_line(read_error(with("moe", "moe_layers", layers)), std::string("moe_layers is ") + layers);
  }
  Json json = to_json(mixture());
  json.erase("moe");
  check_line(read_error(json), "key 'moe' is missing");
  json["moe"] = 1;
  check_line(read_error(json), "moe is 1, it should be an object");
}

TEST_CASE("the layer table counts every parameter, and what one image uses of it") {
  ModelConfig c = mixture();
  c.vit.dim = 24;
  c.vit.mlp_dim = 32;
  const Model model(c);
  const ModelSize size = size_of(c);
  CHECK(size.params == model.parameters().parameter_count());
  // Two blocks of 4 experts, of which 2 are chosen.
  const int64_t mlp = 24 * 32 + 32 + 32 * 24 + 24;
  CHECK(size.params - size.active_params == 2 * (4 - 2) * mlp);
  ModelConfig dense = c;
  dense.moe = MoeConfig{};
  // The second expert of each image and block, and the router.
  CHECK(size.flops - size_of(dense).flops == 2 * (2 * 64 * 2 * 24 * 32 + 4 * 24));
  CHECK(size_of(dense).params == size_of(dense).active_params);
  CHECK(size_of(dense).flops == flops(dense.vit));
}

TEST_CASE(
    "ten experts in the last two blocks of the 12 x 192 model: 11.46 M parameters, 6.13 M of them active") {
  ModelConfig c;
  c.vit = find_preset("mobile192").config;
  c.moe.router = "image";
  const ModelSize size = size_of(c);
  const int64_t expert = 295872, dense = size_of({c.vit, MoeConfig{}}).params;
  CHECK((dense + 5000) / 10000 == 613);
  CHECK(size.params == dense + 2 * 9 * expert + 10 * 192);
  CHECK((size.params + 5000) / 10000 == 1146);
  CHECK(size.active_params == dense + 10 * 192);
}

TEST_CASE("the blocks with experts are the last n, every n-th from the start, or those listed") {
  const auto blocks = [](const char* text, int depth) { return parse_block_choice(text).blocks(depth); };
  CHECK(blocks("last:2", 9) == std::vector<int>{7, 8});
  CHECK(blocks("last:3", 3) == std::vector<int>{0, 1, 2});
  CHECK(blocks("every:2", 9) == std::vector<int>{1, 3, 5, 7});  // n-1, 2n-1, ... as in V-MoE
  CHECK(blocks("every:3", 9) == std::vector<int>{2, 5, 8});
  CHECK(blocks("every:1", 2) == std::vector<int>{0, 1});
  CHECK(blocks("0,4,7", 9) == std::vector<int>{0, 4, 7});
  CHECK(blocks("5", 9) == std::vector<int>{5});
  for (const char* text : {"last:2", "every:3", "0,4,7", "5"})
    CHECK(to_text(parse_block_choice(text)) == text);
}

TEST_CASE("a shared expert costs one MLP in each MoE block: parameters, active ones and FLOPs") {
  ModelConfig c = mixture();
  c.moe.shared_expert = true;
  const ModelSize with = size_of(c), without = size_of(mixture());
  const LayerInfo mlp = mlp_layer(c.vit, 0);
  CHECK(with.params == Model(c).parameters().parameter_count());
  CHECK(with.params - without.params == 2 * mlp.params);
  CHECK(with.active_params - without.active_params == 2 * mlp.params);
  CHECK(with.flops - without.flops == 2 * mlp.flops);
}

TEST_CASE("where tokens are routed each MoE block has a router, and one image can reach all experts") {
  ModelConfig c = mixture();
  c.moe.router = "token";
  c.moe.super_classes = {};
  c.moe.shared_expert = true;
  const ModelSize size = size_of(c);
  CHECK(size.params == Model(c).parameters().parameter_count());
  CHECK(size.active_params == size.params);  // 64 tokens with two choices each, 4 experts
  ModelConfig images = c;
  images.moe.router = "image";
  const int64_t router = 4 * c.vit.dim;
  CHECK(size.flops - size_of(images).flops == 2 * (2 * 64 - 1) * router);
  std::string names;
  for (const LayerInfo& row : layers(c)) {
    if (row.name.find("blocks.8.moe") != std::string::npos) names += row.name + " ";
  }
  CHECK(names == "blocks.8.moe.router blocks.8.moe.experts blocks.8.moe.shared ");
}

TEST_CASE("what is routed is said in one phrase, and its share of the FLOPs is that of the chosen experts") {
  ModelConfig c = mixture();
  CHECK(mixture_phrase(c) == "router image, E = 4, k = 2, L = 2 (blocks 7, 8), raw gates");
  CHECK(size_of(c).routed_flops == 2 * 2 * mlp_layer(c.vit, 0).flops);
  c.moe.renormalise = c.moe.shared_expert = true;
  c.moe.moe_layers = BlockChoice::listed({3});
  CHECK(mixture_phrase(c) ==
        "router image, E = 4, k = 2, L = 1 (block 3), renormalised gates, a shared expert");
  CHECK(size_of(c).routed_flops == 2 * mlp_layer(c.vit, 0).flops);  // the shared one is not routed
  c.moe.router = "none";
  CHECK(mixture_phrase(c) == "");
  CHECK(size_of(c).routed_flops == 0);
}

TEST_CASE("with experts in blocks apart the table counts those alone, and the router before the first") {
  ModelConfig c = mixture();
  c.moe.moe_layers = BlockChoice::listed({2, 5});
  const Model model(c);
  CHECK(size_of(c).params == model.parameters().parameter_count());
  std::string names;
  for (const LayerInfo& row : layers(c)) {
    if (row.name.find("moe") != std::string::npos) names += row.name + " ";
  }
  CHECK(names == "moe.router blocks.2.moe.experts blocks.5.moe.experts ");
}

TEST_CASE("the router's row stands before the first MoE block") {
  const std::vector<LayerInfo> rows = layers(mixture());
  size_t router = 0;
  while (router < rows.size() && rows[router].name != "moe.router") ++router;
  REQUIRE(router + 1 < rows.size());
  CHECK(rows[router - 1].name == "blocks.6.mlp");
  CHECK(rows[router + 1].name == "blocks.7.attn");
  CHECK(rows[router + 2].name == "blocks.7.moe.experts");
}

}  // namespace

}  // namespace vmoe::testing
