// Whole models with experts against PyTorch (tests/fixtures/make_vit.py).

#include "moe/loss.h"
#include "tensor/json_fields.h"
#include "tests/nn/model_fixture.h"

namespace vmoe::testing {

namespace {

std::vector<std::vector<int>> experts_of_units(const Routing& routing) {
  std::vector<std::vector<int>> experts(routing.units);
  for (int64_t a = 0; a < routing.unit.count(); ++a) experts[routing.unit[a]].push_back(routing.expert[a]);
  return experts;
}

void check_model(const std::string& name) {
  const nlohmann::json fixture = read_fixture("models/" + name + ".json");
  const ModelConfig config = model_config_from_json(fixture["config"], name);
  Model model(config);
  std::vector<real> targets = fixture_targets(fixture);
  const int64_t batch = fixture["batch"].get<int64_t>();
  ExpertLoad before(config), now(config);  // of the step before, and of this one
  bool first_step = true;
  check_golden(fixture, config.vit, model.parameters(), [&](Pass& pass, Var images) -> Outputs {
    const Model::Output out = model.forward(pass, images);
    if (!out.routings.empty() && first_step) {
      const Routing& routing = *out.routings[0];
      const Tensor logits = pass.tape.value(routing.logits);
      CHECK_COMPARISON(compare("router logits", std::span<const real>(logits.begin(), logits.end()),
                               numbers<double>(fixture["router_logits"]), std::max(64 * kEpsilon, 1e-9)));
      CHECK(experts_of_units(routing) == fixture["experts"].get<std::vector<std::vector<int>>>());
      first_step = false;
    }
    const Tensor target{targets.data(), {batch, config.vit.classes}};
    const Var loss = loss_of(pass.tape, out, target, config.moe, batch, before).total;
    now.clear();
    now.add(out);
    before = now;
    return {out.logits, loss};
  });
}

TEST_CASE("a Mobile V-MoE with super-classes agrees with PyTorch") {
  check_model("moe_top1");
}

TEST_CASE("a top-2 model that routes by its class token agrees with PyTorch") {
  check_model("moe_top2_cls");
}

TEST_CASE("a model of MoE blocks only, that routes by the mean beside a class token, agrees with PyTorch") {
  check_model("moe_mean_beside_cls");
}

TEST_CASE("a shared expert, gates that sum to 1 and blocks that lie apart agree with PyTorch") {
  check_model("moe_shared_renormalised");
}

TEST_CASE("an end-to-end router of images with a balance loss agrees with PyTorch") {
  check_model("moe_end_to_end");
}

TEST_CASE("a router of tokens with a balance loss agrees with PyTorch") {
  check_model("moe_token");
}

TEST_CASE("a dense model run as Model agrees with PyTorch") {
  check_model("vit_cls_learned");
}

}  // namespace

}  // namespace vmoe::testing
