// Properties of models with experts.

#include "moe/model.h"

#include "moe/loss.h"
#include "moe/routing_statistics.h"
#include "tests/nn/model_checks.h"
#include "tests/support/allocation_count.h"

namespace vmoe::testing {

namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.vit = small_vit(3);
  c.moe.router = "image";
  c.moe.experts = 3;
  c.moe.super_classes = {0, 2, 0};
  return c;
}

// Five tokens an image, each with two of four experts.
ModelConfig token_config() {
  ModelConfig c = small_config();
  c.moe.router = "token";
  c.moe.experts = 4;
  c.moe.top_k = 2;
  c.moe.super_classes = {};
  c.moe.balance_weight = 0.5;
  c.vit.pool = Pool::cls;
  return c;
}

std::vector<ModelConfig> configs() {
  ModelConfig top2 = small_config(), all_blocks = small_config();
  top2.vit.pool = Pool::cls;
  top2.vit.layer_scale = 0.1;
  top2.moe.experts = 5;
  top2.moe.top_k = 2;
  top2.moe.router_pool = RouterPool::cls;
  top2.moe.super_classes = {};
  top2.moe.balance_weight = 0.5;
  all_blocks.vit.tokenizer = TokenizerKind::conv;
  all_blocks.vit.conv_layers = 1;
  all_blocks.vit.pool = Pool::seq;
  all_blocks.moe.moe_layers = BlockChoice::last(3);
  ModelConfig apart = small_config();
  apart.vit.depth = 4;
  apart.moe.moe_layers = BlockChoice::listed({1, 3});
  ModelConfig shared = small_config();
  shared.moe.top_k = 2;
  shared.moe.renormalise = true;
  shared.moe.shared_expert = true;
  return {small_config(), top2, all_blocks, apart, shared, token_config()};
}

// A router that tells patterned images apart: expert e likes the e-th of the features.
void sharpen_router(ParameterStore& store) {
  for (const Parameter& parameter : store.all()) {
    if (!parameter.name.ends_with("router.weight")) continue;
    for (real& w : store.value(store.find(parameter.name))) w *= 4;
  }
}

struct ModelOnPattern {
  Model model;
  Choice choice;
  ExpertLoad before;  // an uneven one

  explicit ModelOnPattern(const ModelConfig& config, Choice choice = Choice::learned)
      : model(config), choice(choice), before(config) {
    std::vector<int64_t> counts = before.counts();
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = static_cast<int64_t>(1 + 3 * i % 7);
    before.set_counts(counts);
    fill_with_pattern(model.parameters());
    sharpen_router(model.parameters());
  }
  ModelUnderTest under_test() {
    return {model.parameters(), model.config().vit, [this](Pass& pass, Var images) -> Outputs {
              const Model::Output out = model.forward(pass, images, choice);
              return {out.logits, loss(pass, out)};
            }};
  }
  Var loss(Pass& pass, const Model::Output& out) {
    const Shape shape = pass.tape.value(out.logits).shape;
    const Tensor targets = pass.tape.allocate(shape);
    for (int64_t i = 0; i < targets.count(); ++i)
      targets[i] = i % shape[1] == i / shape[1] % shape[1] ? 1 : 0;
    return loss_of(pass.tape, out, targets, model.config().moe, shape[0], before).total;
  }
};

std::vector<real> logits_of(ModelOnPattern& model) {
  const ModelUnderTest test = model.under_test();
  return run_images(test, patterned_images(test.config, kImages), {.training = false});
}

// Copies `from`, [...], over expert `expert` of the stacked parameter `to`, [E, ...].
void copy_to_expert(const ParameterStore& from, const std::string& from_name, ParameterStore& to,
                    const std::string& to_name, int expert) {
  const Tensor source = from.value(from.find(from_name)), target = to.value(to.find(to_name)).row(expert);
  require_shape("copy_to_expert", source.shape, target.shape);
  std::copy(source.begin(), source.end(), target.begin());
}

void copy_mlps_to_expert(const ParameterStore& dense, ParameterStore& experts, int first, int depth,
                         int expert) {
  for (int i = first; i < depth; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    for (const char* part : {".fc1.weight", ".fc1.bias", ".fc2.weight", ".fc2.bias"}) {
      copy_to_expert(dense, block + ".mlp" + part, experts, block + ".moe.experts" + part, expert);
    }
  }
}

ModelConfig dense_twin(ModelConfig config) {
  config.moe = MoeConfig{};
  return config;
}

TEST_CASE("the router and the experts have their names and shapes") {
  const Model model(small_config());
  const ParameterStore& store = model.parameters();
  const auto shape = [&](const char* name) { return store[store.find(name)].shape; };
  CHECK(shape("moe.router.weight") == Shape{3, 8});
  CHECK(shape("blocks.1.moe.experts.fc1.weight") == Shape{3, 12, 8});
  CHECK(shape("blocks.1.moe.experts.fc1.bias") == Shape{3, 12});
  CHECK(shape("blocks.2.moe.experts.fc2.weight") == Shape{3, 8, 12});
  CHECK(shape("blocks.2.moe.experts.fc2.bias") == Shape{3, 8});
  CHECK(store.find("blocks.0.mlp.fc1.weight"));
  CHECK(!store.find("blocks.1.mlp.fc1.weight"));
  CHECK(!store.find("blocks.0.moe.experts.fc1.weight"));
}

TEST_CASE("experts start from independent draws") {
  Model model(small_config());
  model.initialise(1);
  const ParameterStore& store = model.parameters();
  const Tensor fc1 = store.value(store.find("blocks.1.moe.experts.fc1.weight"));
  CHECK(!std::equal(fc1.row(0).begin(), fc1.row(0).end(), fc1.row(1).begin()));
  const Tensor bias = store.value(store.find("blocks.1.moe.experts.fc1.bias"));
  CHECK(std::all_of(bias.begin(), bias.end(), [](real b) { return b == 0; }));
}

TEST_CASE("one decision, taken after the last dense block, serves all MoE blocks") {
  ModelOnPattern model(small_config());
  const ModelUnderTest test = model.under_test();
  const std::vector<real> images = patterned_images(test.config, kImages);
  std::vector<real> decisions[2];
  for (std::vector<real>& logits : decisions) {
    const ModelGraph router_only = [&](Pass& pass, Var x) -> Outputs {
      const Model::Output out = model.model.forward(pass, x);
      return {out.router_logits, pseudo_loss(pass, out.router_logits)};
    };
    logits = run_images({test.store, test.config, router_only}, images);
    // What comes after the decision cannot change it.
    for (real& w : test.store.value(test.store.find("blocks.1.moe.experts.fc1.weight"))) w += 1;
    for (real& w : test.store.value(test.store.find("blocks.1.attn.qkv.weight"))) w += 1;
  }
  CHECK(decisions[0] == decisions[1]);
}

TEST_CASE("dense blocks may stand between MoE blocks, and the decision is taken before the first of these") {
  ModelConfig config = small_config();
  config.vit.depth = 4;
  config.moe.moe_layers = BlockChoice::listed({1, 3});
  config.moe.super_classes = {};
  ModelConfig early = config;
  early.moe.moe_layers = BlockChoice::listed({1});
  ModelOnPattern apart(config), first(early);
  const ParameterStore& store = apart.model.parameters();
  for (const int block : {0, 2}) CHECK(store.find("blocks." + std::to_string(block) + ".mlp.fc1.weight"));
  for (const int block : {1, 3})
    CHECK(store.find("blocks." + std::to_string(block) + ".moe.experts.fc1.weight"));
  std::vector<real> decisions[2];
  ModelOnPattern* models[] = {&apart, &first};
  for (int i = 0; i < 2; ++i) {
    const ModelUnderTest test = models[i]->under_test();
    const ModelGraph router_only = [&](Pass& pass, Var x) -> Outputs {
      const Model::Output out = models[i]->model.forward(pass, x);
      return {out.router_logits, pseudo_loss(pass, out.router_logits)};
    };
    decisions[i] = run_images({test.store, test.config, router_only}, patterned_images(test.config, kImages));
  }
  CHECK(decisions[0] == decisions[1]);
}

TEST_CASE("the router's norm has the configuration's epsilon") {
  ModelConfig config = small_config();
  config.moe.moe_layers =
      BlockChoice::last(config.vit.depth);  // it reads the embedding, in which there is no other norm
  std::vector<real> logits[2];
  for (int i = 0; i < 2; ++i) {
    config.vit.norm_eps = i == 0 ? 1e-6 : 1e4;
    ModelOnPattern model(config);
    const ModelUnderTest test = model.under_test();
    const ModelGraph router_only = [&](Pass& pass, Var x) -> Outputs {
      const Model::Output out = model.model.forward(pass, x);
      return {out.router_logits, pseudo_loss(pass, out.router_logits)};
    };
    logits[i] = run_images({test.store, test.config, router_only}, patterned_images(config.vit, kImages));
  }
  // Divided by about 100 instead of the tokens' deviation, which is of order 1.
  for (size_t n = 0; n < logits[0].size(); ++n) CHECK(std::abs(logits[1][n]) < std::abs(logits[0][n]) / 10);
}

TEST_CASE("with one expert and gate 1 a model equals its dense twin, byte for byte") {
  ModelConfig config = small_config();
  config.moe.experts = 1;
  config.moe.super_classes = {};
  ModelOnPattern sparse(config), dense(dense_twin(config));
  copy_mlps_to_expert(dense.model.parameters(), sparse.model.parameters(), 1, 3, 0);
  CHECK(logits_of(sparse) == logits_of(dense));
}

TEST_CASE("in training an expert drops what its dense twin would drop, inside it and behind it") {
  ModelConfig config = small_config();
  config.moe.experts = 1;
  config.moe.super_classes = {};
  config.vit.dropout = 0.4;
  config.vit.drop_path = 0.3;
  ModelOnPattern sparse(config), dense(dense_twin(config));
  copy_mlps_to_expert(dense.model.parameters(), sparse.model.parameters(), 1, 3, 0);
  const std::vector<real> images = patterned_images(config.vit, kImages);
  CHECK(run_images(sparse.under_test(), images) == run_images(dense.under_test(), images));
}

TEST_CASE("with all experts alike and all chosen, the gates sum to 1 and a model equals its dense twin") {
  ModelConfig config = small_config();
  config.moe.top_k = 3;
  ModelOnPattern sparse(config), dense(dense_twin(config));
  for (int e = 0; e < 3; ++e)
    copy_mlps_to_expert(dense.model.parameters(), sparse.model.parameters(), 1, 3, e);
  const std::vector<real> want = logits_of(dense);
  CHECK_COMPARISON(compare("logits", std::span<const real>(logits_of(sparse)),
                           std::vector<double>(want.begin(), want.end()), 64 * kEpsilon));
}

TEST_CASE("with renormalised gates and experts alike a model equals its dense twin: k = 1 in every byte") {
  ModelConfig config = small_config();
  config.moe.renormalise = true;
  for (const int k : {1, 2}) {
    CAPTURE(k);
    config.moe.top_k = k;
    ModelOnPattern sparse(config), dense(dense_twin(config));
    for (int e = 0; e < 3; ++e)
      copy_mlps_to_expert(dense.model.parameters(), sparse.model.parameters(), 1, 3, e);
    const std::vector<real> want = logits_of(dense);
    if (k == 1) {
      CHECK(logits_of(sparse) == want);
    } else {
      CHECK_COMPARISON(compare("logits", std::span<const real>(logits_of(sparse)),
                               std::vector<double>(want.begin(), want.end()), 64 * kEpsilon));
    }
  }
}

TEST_CASE("a shared expert adds its output as it is: alone it is the dense twin's MLP") {
  ModelConfig config = small_config();
  config.moe.shared_expert = true;
  config.vit.dropout = 0;
  ModelOnPattern sparse(config), dense(dense_twin(config));
  ParameterStore& store = sparse.model.parameters();
  const ParameterStore& twin = dense.model.parameters();
  for (const char* block : {"blocks.1", "blocks.2"}) {
    for (const char* part : {".fc1.weight", ".fc1.bias", ".fc2.weight", ".fc2.bias"}) {
      const Tensor from = twin.value(twin.find(std::string(block) + ".mlp" + part));
      const Tensor to = store.value(store.find(std::string(block) + ".moe.shared" + part));
      require_shape("shared", from.shape, to.shape);
      std::copy(from.begin(), from.end(), to.begin());
    }
    // Experts that say nothing.
    for (const char* part : {".fc2.weight", ".fc2.bias"}) {
      const Tensor silent = store.value(store.find(std::string(block) + ".moe.experts" + part));
      std::fill(silent.begin(), silent.end(), real{0});
    }
  }
  CHECK(logits_of(sparse) == logits_of(dense));
}

TEST_CASE("a shared expert drops other numbers than the routed ones") {
  ModelConfig config = small_config();
  config.moe.experts = 1;
  config.moe.super_classes = {};
  config.moe.renormalise = true;
  config.moe.shared_expert = true;
  config.vit.dropout = 0.4;
  ModelOnPattern sparse(config);
  ParameterStore& store = sparse.model.parameters();
  for (const char* block : {"blocks.1", "blocks.2"}) {
    for (const char* part : {".fc1.weight", ".fc1.bias", ".fc2.weight", ".fc2.bias"}) {
      const Tensor expert = store.value(store.find(std::string(block) + ".moe.experts" + part)).row(0);
      const Tensor shared = store.value(store.find(std::string(block) + ".moe.shared" + part));
      const bool second = std::string(part).starts_with(".fc2");
      for (int64_t i = 0; i < shared.count(); ++i) shared[i] = second ? -expert[i] : expert[i];
    }
  }
  // Without dropout the shared expert takes back what the routed one said; with it only if both drop the
  // same.
  ModelConfig silent_config = config;
  silent_config.moe.shared_expert = false;
  ModelOnPattern silent(silent_config);
  for (const char* block : {"blocks.1", "blocks.2"}) {
    for (const char* part : {".fc2.weight", ".fc2.bias"}) {
      const ParameterStore& other = silent.model.parameters();
      const Tensor value = other.value(other.find(std::string(block) + ".moe.experts" + part));
      std::fill(value.begin(), value.end(), real{0});
    }
  }
  const std::vector<real> images = patterned_images(config.vit, kImages);
  CHECK(logits_of(sparse) == logits_of(silent));
  CHECK(run_images(sparse.under_test(), images) != run_images(silent.under_test(), images));
}

TEST_CASE("tokens routed one by one: with one expert, or experts alike, a model equals its dense twin") {
  for (const int experts : {1, 4}) {
    CAPTURE(experts);
    ModelConfig config = token_config();
    config.moe.experts = experts;
    config.moe.top_k = 1;
    config.moe.renormalise = true;
    config.vit.dropout = 0.4;  // a token drops what it would drop within its image
    ModelOnPattern sparse(config), dense(dense_twin(config));
    for (int e = 0; e < experts; ++e)
      copy_mlps_to_expert(dense.model.parameters(), sparse.model.parameters(), 1, 3, e);
    const std::vector<real> images = patterned_images(config.vit, kImages);
    CHECK(run_images(sparse.under_test(), images) == run_images(dense.under_test(), images));
  }
}

struct Decision {
  std::vector<int> unit, expert, first;
  std::vector<real> gate, logits;
  bool operator==(const Decision&) const = default;
};

std::vector<Decision> decisions_of(ModelOnPattern& model, bool record) {
  std::vector<Decision> decisions;
  const ModelUnderTest test = model.under_test();
  const ModelGraph graph = [&](Pass& pass, Var images) -> Outputs {
    const Model::Output out = model.model.forward(pass, images);
    for (const Routing* r : out.routings) {
      const Tensor gate = pass.tape.value(r->gate), logits = pass.tape.value(r->logits);
      decisions.push_back({{r->unit.begin(), r->unit.end()},
                           {r->expert.begin(), r->expert.end()},
                           {r->first.begin(), r->first.end()},
                           {gate.begin(), gate.end()},
                           {logits.begin(), logits.end()}});
    }
    CHECK(out.routing == (out.routings.empty() ? nullptr : out.routings[0]));
    return {out.logits, model.loss(pass, out)};
  };
  run_images({test.store, test.config, graph}, patterned_images(test.config, kImages),
             {.training = false, .record = record});
  return decisions;
}

TEST_CASE("a model says one decision for images, and one for the tokens of each MoE block, recorded or not") {
  for (const ModelConfig& config : configs()) {
    ModelOnPattern model(config);
    const std::vector<Decision> decisions = decisions_of(model, true);
    REQUIRE(decisions.size() == (config.moe.routes_tokens() ? 2 : 1));
    const int64_t units = kImages * (config.moe.routes_tokens() ? config.vit.tokens() : 1);
    for (const Decision& d : decisions) CHECK(d.unit.size() == static_cast<size_t>(units * config.moe.top_k));
    CHECK(decisions_of(model, false) == decisions);
  }
  ModelOnPattern dense(dense_twin(small_config()));
  CHECK(decisions_of(dense, true).empty());
}

TEST_CASE("tokens of one image go to different experts, and each block decides by its own router") {
  ModelOnPattern model(token_config());
  const std::vector<Decision> before = decisions_of(model, false);
  std::vector<bool> reached(4);
  for (size_t a = 0; a < before[0].unit.size(); ++a) {
    if (before[0].unit[a] < 5) reached[before[0].expert[a]] = true;  // of the first image
  }
  CHECK(std::count(reached.begin(), reached.end(), true) > 2);
  ParameterStore& store = model.model.parameters();
  for (real& w : store.value(store.find("blocks.2.moe.router.weight"))) w += 1;
  const std::vector<Decision> after = decisions_of(model, false);
  CHECK(after[0] == before[0]);
  CHECK(after[1].logits != before[1].logits);
}

TEST_CASE("a token's logits are the block's router times what the block's MLP would read") {
  ModelConfig config = token_config();
  config.vit.depth = 1;
  config.moe.moe_layers = BlockChoice::last(1);
  ModelOnPattern model(config);
  ParameterStore& store = model.model.parameters();
  // A router of zeros but for one weight reads one number of every token; a norm without gain makes it 0.75.
  const Tensor router = store.value(store.find("blocks.0.moe.router.weight"));
  std::fill(router.begin(), router.end(), real{0});
  router[0] = 1;
  const Tensor gain = store.value(store.find("blocks.0.norm2.weight"));
  const Tensor bias = store.value(store.find("blocks.0.norm2.bias"));
  std::fill(gain.begin(), gain.end(), real{0});
  bias[0] = real{0.75};
  for (const Decision& d : decisions_of(model, true)) {
    for (size_t i = 0; i < d.logits.size(); ++i) CHECK(d.logits[i] == (i % 4 == 0 ? real{0.75} : real{0}));
  }
}

TEST_CASE("permuting images permutes logits, whatever their experts") {
  for (const ModelConfig& c : configs()) check_permutation(ModelOnPattern(c).under_test());
}

TEST_CASE("cutting a batch into chunks changes no byte of an image's logits") {
  for (const ModelConfig& c : configs()) check_chunks(ModelOnPattern(c).under_test(), false);
}

TEST_CASE(
    "in training with dropout inside experts, cutting a batch into chunks changes no byte of the logits") {
  for (ModelConfig c : configs()) {
    c.vit.dropout = 0.2;
    c.vit.drop_path = 0.3;
    ModelOnPattern model(c);
    check_chunks(model.under_test(), true);
  }
}

TEST_CASE("an even spread does not depend on chunks either") {
  ModelOnPattern model(small_config(), Choice::even);
  check_chunks(model.under_test(), false);
}

TEST_CASE("a model's bytes are the same for any number of threads that share an op") {
  for (const ModelConfig& c : configs()) check_teams(ModelOnPattern(c).under_test());
}

TEST_CASE("a model gives the same logits on a tape that records nothing") {
  for (const ModelConfig& c : configs()) check_inference(ModelOnPattern(c).under_test());
}

TEST_CASE("inference takes no more memory for more MoE blocks") {
  const auto memory = [](int depth) {
    ModelConfig c = small_config();
    c.vit.depth = depth;
    c.moe.moe_layers = BlockChoice::last(depth - 1);
    ModelOnPattern model(c);
    return inference_memory(model.under_test());
  };
  CHECK(memory(3) == memory(10));
}

TEST_CASE("the gradient of every parameter of a model with experts is that of central differences") {
  for (ModelConfig c : configs()) {
    check_gradients_of(ModelOnPattern(c).under_test());
    c.vit.dropout = 0.2;
    c.vit.drop_path = 0.3;
    check_gradients_of(ModelOnPattern(c).under_test());
  }
}

TEST_CASE("an expert without images has gradient exactly zero, and is not touched") {
  ModelConfig config = small_config();
  config.moe.experts = 4;
  ModelOnPattern on_pattern(config);
  Model& model = on_pattern.model;
  std::vector<real> images = patterned_images(config.vit, kImages);
  Arena arena;
  PackedWeights packed(model.parameters(), kernels(), true);
  packed.pack_all();
  Gradients gradients(model.parameters(), 4);
  Tape tape(arena, model.parameters(), packed, gradients);
  Pass pass{tape, true};
  const Model::Output out =
      model.forward(pass, tape.constant({images.data(), image_shape(config.vit, kImages)}));
  tape.backward(on_pattern.loss(pass, out));
  BatchGradient total(model.parameters());
  gradients.add_to(total);
  total.complete();

  const ParamId fc1 = model.parameters().find("blocks.2.moe.experts.fc1.weight");
  const Tensor dfc1 = model.parameters().view(fc1, total.data());
  int idle = 0, busy = 0;
  for (int e = 0; e < 4; ++e) {
    const bool has_images = out.routing->first[e + 1] > out.routing->first[e];
    const Tensor d = dfc1.row(e);
    CHECK(gradients.touched(fc1, e) == has_images);
    CHECK(std::all_of(d.begin(), d.end(), [](real g) { return g == 0; }) == !has_images);
    ++(has_images ? busy : idle);
  }
  CHECK(idle >= 1);  // otherwise this test shows nothing
  CHECK(busy >= 2);
  // Its logits learn all the same, through the softmax.
  const ParamId router = model.parameters().find("moe.router.weight");
  const Tensor drouter = model.parameters().view(router, total.data());
  for (int e = 0; e < 4; ++e)
    CHECK(!std::all_of(drouter.row(e).begin(), drouter.row(e).end(), [](real g) { return g == 0; }));
}

TEST_CASE("after the first chunks a model allocates nothing: routing and masks live in the arena") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: malloc cannot be counted in this build");
    return;
  }
  ModelConfig config = small_config();
  config.vit.dropout = 0.1;
  config.vit.drop_path = 0.1;
  ModelOnPattern on_pattern(config);
  Model& model = on_pattern.model;
  std::vector<real> images = patterned_images(config.vit, kImages);
  Arena arena;
  PackedWeights packed(model.parameters(), kernels(), true);
  packed.pack_all();
  Gradients gradients(model.parameters(), 3);
  Tape tape(arena, model.parameters(), packed, gradients);
  RoutingStatistics statistics(3);
  const auto run_chunk = [&] {
    gradients.clear();
    tape.reset();
    Pass pass{tape, true};
    const Model::Output out =
        model.forward(pass, tape.constant({images.data(), image_shape(config.vit, kImages)}));
    tape.backward(on_pattern.loss(pass, out));
    statistics.add(tape, *out.routing);
  };
  for (int i = 0; i < 3; ++i) run_chunk();
  const int64_t before = allocation_count();
  for (int i = 0; i < 5; ++i) run_chunk();
  CHECK(allocation_count() - before == 0);
}

TEST_CASE("a chunk takes the same memory wherever its images go, so that no later step needs more") {
  const std::string in_use = kernels().name;
  ModelConfig config = small_config();
  config.vit.depth = 1;
  config.vit.mlp_dim = 500;
  config.moe.moe_layers = BlockChoice::last(1);
  for (const Kernels* table : available_kernels()) {
    CAPTURE(table->name);
    use_kernels(table->name);
    size_t taken[2];
    for (const Choice choice : {Choice::even, Choice::learned}) {
      ModelOnPattern on_pattern(config);
      Model& model = on_pattern.model;
      for (real& w : model.parameters().value(model.parameters().find("moe.router.weight"))) w = 0;
      std::vector<real> images = patterned_images(config.vit, kImages);
      Arena arena;
      PackedWeights packed(model.parameters(), kernels(), true);
      packed.pack_all();
      Gradients gradients(model.parameters(), 3);
      Tape tape(arena, model.parameters(), packed, gradients);
      Pass pass{tape, true};
      const Model::Output out =
          model.forward(pass, tape.constant({images.data(), image_shape(config.vit, kImages)}), choice);
      // By a tie all images go to the first expert.
      CHECK(out.routing->first[1] == (choice == Choice::even ? kImages / 3 : kImages));
      tape.backward(on_pattern.loss(pass, out));
      taken[choice == Choice::even] = arena.high_water();
    }
    CHECK(taken[0] == taken[1]);
  }
  use_kernels(in_use);
}

TEST_CASE("the router learns from the class loss alone, through the gate") {
  ModelConfig config = small_config();
  config.moe.super_classes = {};
  ModelOnPattern model(config);
  const ModelUnderTest test = model.under_test();
  const std::vector<real> images = patterned_images(test.config, kImages);
  PassResult result = run_pass(test.store, test.graph, image_shape(test.config, kImages), images.data());
  const Tensor d = test.store.view(test.store.find("moe.router.weight"), result.gradients.data());
  CHECK(!std::all_of(d.begin(), d.end(), [](real g) { return g == 0; }));
}

TEST_CASE("the even choice spreads images over all experts") {
  ModelOnPattern on_pattern(small_config(), Choice::even);
  const ModelUnderTest test = on_pattern.under_test();
  std::vector<int> load(3);
  const ModelGraph graph = [&](Pass& pass, Var images) -> Outputs {
    const Model::Output out = on_pattern.model.forward(pass, images, Choice::even);
    for (int e = 0; e < 3; ++e) load[e] = out.routing->first[e + 1] - out.routing->first[e];
    return {out.logits, on_pattern.loss(pass, out)};
  };
  run_images({test.store, test.config, graph}, patterned_images(test.config, kImages));
  CHECK(load == std::vector<int>{2, 2, 2});
}

}  // namespace

}  // namespace vmoe::testing
