// The training step and what it stands on: lanes, optimiser, schedule, signature.

#include "train/step.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "tests/support/allocation_count.h"
#include "train/random_batch.h"
#include "train/schedule.h"
#include "train/signature.h"

using namespace vmoe;
using vmoe::testing::allocation_count;
using vmoe::testing::allocations_are_counted;

namespace {

ModelConfig small_model(bool experts) {
  ModelConfig config;
  config.vit = {.image_size = 8,
                .channels = 3,
                .patch_size = 4,
                .dim = 16,
                .depth = 3,
                .heads = 2,
                .mlp_dim = 32,
                .classes = 4,
                .dropout = 0.1,
                .drop_path = 0.2};
  if (experts) {
    config.moe.router = "image";
    config.moe.experts = 4;
    config.moe.top_k = 2;
    config.moe.super_classes = {0, 1, 2, 3};
  }
  return config;
}

// Without super-classes, with a strong balance loss; tokens of 4 with 5 experts, or images.
ModelConfig end_to_end(const char* router) {
  ModelConfig config = small_model(true);
  config.moe.router = router;
  config.moe.experts = 5;
  config.moe.super_classes = {};
  config.moe.balance_weight = 0.5;
  config.moe.renormalise = true;
  config.moe.shared_expert = true;
  return config;
}

FillBatch from(const RandomBatch& batch) {
  return [&batch](int64_t position, int count, ImageScratch&, real* images, real* targets, int* labels) {
    batch.fill(position, count, images, targets, labels);
  };
}

// The weights after three steps.
std::vector<real> train_three(const ModelConfig& config, StepConfig step_config,
                              double* last_loss = nullptr) {
  Model model(config);
  model.initialise(3);
  Optimizer optimizer(model.parameters(), {.ema_decay = 0.9});
  step_config.clip_norm = 1;
  TrainingStep step(model, optimizer, step_config);
  const RandomBatch batch(config.vit, step_config.batch_size);
  StepFigures figures;
  for (int i = 0; i < 3; ++i) figures = step.run(from(batch), 0, 0, i + 1, 1e-2);
  if (last_loss) *last_loss = figures.loss;
  const real* weights = model.parameters().data();
  std::vector<real> all(weights, weights + model.parameters().size());
  all.insert(all.end(), optimizer.average(), optimizer.average() + model.parameters().size());
  return all;
}

bool same_bytes(const std::vector<real>& a, const std::vector<real>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(real)) == 0;
}

}  // namespace

TEST_CASE("a step gives the same bytes for 1, 2, 3, 4 and 8 threads") {
  for (const ModelConfig& config :
       {small_model(false), small_model(true), end_to_end("image"), end_to_end("token")}) {
    CAPTURE(config.moe.router);
    const auto one = train_three(config, {.batch_size = 26, .lanes = 8, .threads = 1});
    for (const int threads : {2, 3, 4, 8}) {
      CAPTURE(threads);
      CHECK(same_bytes(train_three(config, {.batch_size = 26, .lanes = 8, .threads = threads}), one));
    }
  }
}

TEST_CASE("a step counts every image of its batch once, the same for any number of threads") {
  const auto routing = [](int threads, const ModelConfig& config) {
    Model model(config);
    model.initialise(3);
    Optimizer optimizer(model.parameters(), {});
    TrainingStep step(model, optimizer, {.batch_size = 26, .accumulate = 2, .lanes = 4, .threads = threads});
    const RandomBatch batch(model.config().vit, 26);
    for (int i = 0; i < 2; ++i) step.run(from(batch), 0, 0, i + 1, 1e-3);
    return step.routing();
  };
  const ModelConfig image = small_model(true), token = end_to_end("token");
  const ModelRouting one = routing(1, image), each = routing(1, token);
  REQUIRE(one.decisions.size() == 1);
  CHECK(one.decisions[0].units() == 26);
  CHECK(one.decisions[0].sums().assignments == 2 * 26);
  CHECK(each.blocks == std::vector<int>{1, 2});  // of 3, the last two
  REQUIRE(each.decisions.size() == 2);
  for (const RoutingStatistics& decision : each.decisions) {
    CHECK(decision.units() == 26 * token.vit.tokens());
    CHECK(decision.sums().assignments == 2 * 26 * token.vit.tokens());
  }
  CHECK(each.decisions[0] != each.decisions[1]);
  for (const int threads : {2, 3, 4}) {
    CHECK(routing(threads, image) == one);
    CHECK(routing(threads, token) == each);
  }
  CHECK(routing(1, small_model(false)) == ModelRouting());
}

TEST_CASE("a step counts the load of its experts, and the next one's balance loss takes it") {
  for (const char* router : {"image", "token"}) {
    CAPTURE(router);
    const ModelConfig config = end_to_end(router);
    const int64_t batch_size = 24, decisions = router == std::string("token") ? 2 : 1;
    const RandomBatch batch(config.vit, batch_size);
    std::vector<int64_t> load;
    // The loss of a step at the start weights, after a step that counted `load`, or none.
    const auto balance_after = [&](const std::vector<int64_t>& counts) {
      Model model(config);
      model.initialise(3);
      Optimizer optimizer(model.parameters(), {});
      TrainingStep step(model, optimizer,
                        {.batch_size = batch_size, .accumulate = 2, .lanes = 4, .threads = 2});
      REQUIRE(step.expert_load().set_counts(counts));
      const StepFigures figures = step.run(from(batch), 0, 0, 1, 1e-3);
      CHECK(std::fabs(figures.loss - figures.class_loss - figures.balance_loss) <= 1e-5);
      load = step.expert_load().counts();
      return figures.balance_loss;
    };
    CHECK(std::fabs(balance_after({}) - 0.5 * static_cast<double>(decisions)) <= 1e-5);  // even at first
    const int64_t units = batch_size * (decisions == 2 ? config.vit.tokens() : 1);
    CHECK(std::accumulate(load.begin(), load.end(), int64_t{0}) == decisions * units * config.moe.top_k);
    CHECK(load.size() == static_cast<size_t>(decisions * config.moe.experts));
    const std::vector<int64_t> first = load;
    // What is chosen is likelier than the mean, so that the loss rises with the load; f has no memory.
    CHECK(balance_after(first) > 0.5 * static_cast<double>(decisions) + 1e-5);
    CHECK(load == first);
  }
}

TEST_CASE("other lanes change the order of sums, but only that") {
  double a = 0, b = 0;
  const auto eight = train_three(small_model(false), {.batch_size = 24, .lanes = 8}, &a);
  const auto three = train_three(small_model(false), {.batch_size = 24, .lanes = 3}, &b);
  CHECK(!same_bytes(eight, three));
  CHECK(std::fabs(a - b) <= 1e-4);
}

TEST_CASE("a batch run in parts has the gradient of the whole batch") {
  double whole = 0, parts = 0;
  train_three(small_model(true), {.batch_size = 24, .lanes = 4}, &whole);
  train_three(small_model(true), {.batch_size = 24, .accumulate = 3, .lanes = 4}, &parts);
  CHECK(std::fabs(whole - parts) <= 1e-4);
}

TEST_CASE("a loss that is not finite stops the step and leaves the weights") {
  Model model(small_model(false));
  model.initialise(0);
  Optimizer optimizer(model.parameters(), {});
  TrainingStep step(model, optimizer, {.batch_size = 8, .lanes = 2, .threads = 2});
  RandomBatch batch(model.config().vit, 8);
  batch.pixels[5] = std::nanf("");
  const std::vector<real> before(model.parameters().data(),
                                 model.parameters().data() + model.parameters().size());
  CHECK_THROWS_WITH_AS(step.run(from(batch), 0, 0, 7, 1e-3),
                       doctest::Contains("step 7: the loss is not finite"), Error);
  const real* after = model.parameters().data();
  CHECK(same_bytes(before, {after, after + model.parameters().size()}));
}

TEST_CASE("a gradient that is not finite, of a loss that is, stops the step and leaves the weights") {
  Model model(small_model(false));
  model.initialise(0);
  ParameterStore& store = model.parameters();
  // Patches are embedded by products that are of order 1, of pixels whose gradients overflow.
  for (real& w : store.value(store.find("patch_embed.proj.weight"))) w *= real(1e-30);
  for (real& w : store.value(store.find("head.weight"))) w *= real(1e10);
  Optimizer optimizer(store, {});
  TrainingStep step(model, optimizer, {.batch_size = 8, .lanes = 2, .threads = 2});
  RandomBatch batch(model.config().vit, 8);
  for (real& pixel : batch.pixels) pixel *= real(1e30);
  const std::vector<real> before(store.data(), store.data() + store.size());
  CHECK_THROWS_WITH_AS(step.run(from(batch), 0, 0, 3, 1e-3),
                       doctest::Contains("step 3: the gradient is not finite"), Error);
  CHECK(same_bytes(before, {store.data(), store.data() + store.size()}));
}

TEST_CASE("an expert without images gets AdamW's update of a gradient that is zero") {
  ModelConfig config = small_model(true);
  config.moe.top_k = 1;
  Model model(config);
  model.initialise(0);
  ParameterStore& store = model.parameters();
  Optimizer optimizer(store, {.weight_decay = 0.5});
  TrainingStep step(model, optimizer, {.batch_size = 16, .lanes = 4, .threads = 2});
  const RandomBatch batch(config.vit, 16);
  const Tensor router = store.value(store.find("moe.router.weight"));
  std::fill(router.begin(), router.end(), real{0});
  step.run(from(batch), 0, 0, 1, 1e-2);  // by a tie all images go to expert 0
  for (int64_t d = 0; d < router.dim(1); ++d) {
    router.row(0)[d] = router.row(1)[d] = 0;
    router.row(2)[d] = d % 3 ? 1 : -1;
    router.row(3)[d] = -router.row(2)[d];  // one of these two is now above 0
  }
  const std::vector<real> w(store.data(), store.data() + store.size());
  const std::vector<real> m(optimizer.first_moment(), optimizer.first_moment() + store.size());
  const std::vector<real> v(optimizer.second_moment(), optimizer.second_moment() + store.size());
  step.run(from(batch), 0, 0, 2, 1e-2);
  for (const char* name : {"blocks.1.moe.experts.fc1.weight", "blocks.2.moe.experts.fc2.bias"}) {
    CAPTURE(name);
    const Parameter& parameter = store[store.find(name)];
    const int64_t expert = parameter.shape.count() / parameter.experts;
    const double decay = parameter.role == Role::weight ? 0.5 : 0;
    double moved = 0, busy = 0;
    for (int64_t i = 0; i < parameter.shape.count(); ++i) {
      const int64_t at = parameter.offset + i;
      const double m2 = 0.9 * m[at], v2 = 0.999 * v[at];
      if (i >= 2 * expert) {
        busy = std::max(busy, std::fabs(optimizer.first_moment()[at] - m2));
        continue;
      }
      const double update = m2 / (1 - 0.81) / (std::sqrt(v2 / (1 - 0.998001)) + 1e-8);
      moved = std::max(moved, std::fabs(update));
      CHECK(std::fabs(optimizer.first_moment()[at] - m2) <= 1e-6 * std::fabs(m2));
      CHECK(std::fabs(optimizer.second_moment()[at] - v2) <= 1e-6 * v2);
      CHECK(std::fabs(store.data()[at] - (w[at] - 1e-2 * (update + decay * w[at]))) <= 1e-6);
    }
    CHECK(moved > 1e-2);  // expert 0 still moves by what it remembers
    CHECK(busy > 0);      // experts 2 and 3 have gradients
  }
}

TEST_CASE("denormal numbers are zero in every lane") {
  Model model(small_model(false));
  Optimizer optimizer(model.parameters(), {});
  for (const int threads : {1, 3}) {
    CAPTURE(threads);
    TrainingStep step(model, optimizer, {.batch_size = 16, .lanes = 8, .threads = threads});
    const RandomBatch batch(model.config().vit, 16);
    std::vector<float> halves(16, -1);
#pragma omp parallel num_threads(threads)
    std::fesetenv(FE_DFL_ENV);  // an earlier step may have set these threads
    const FillBatch fill = [&](int64_t position, int count, ImageScratch&, real* images, real* targets,
                               int* labels) {
      volatile float number = std::numeric_limits<float>::min();  // volatile: at run time
      for (int i = 0; i < count; ++i) halves[position + i] = number / 2;
      batch.fill(position, count, images, targets, labels);
    };
    step.run(fill, 0, 0, 1, 1e-3);
    CHECK(std::count(halves.begin(), halves.end(), 0.0f) == 16);
  }
}

TEST_CASE("a gradient with a larger norm than allowed is scaled down to it, a smaller one is not") {
  for (const double limit : {1e-2, 1e6}) {
    CAPTURE(limit);
    Model model(small_model(false));
    model.initialise(0);
    Optimizer optimizer(model.parameters(), {});
    TrainingStep step(model, optimizer, {.batch_size = 16, .lanes = 4, .clip_norm = limit});
    const RandomBatch batch(model.config().vit, 16);
    const double norm = step.run(from(batch), 0, 0, 1, 1e-3).gradient_norm;
    CHECK(norm > 0.1);  // before clipping
    double squares = 0;
    for (int64_t i = 0; i < model.parameters().size(); ++i) {
      squares += static_cast<double>(optimizer.first_moment()[i]) * optimizer.first_moment()[i];
    }
    const double used = std::sqrt(squares) / (1 - 0.9);
    CHECK(std::fabs(used / std::min(norm, limit) - 1) <= 1e-4);
  }
}

TEST_CASE("an error in one lane reaches the caller, whatever the other lanes do") {
  Model model(small_model(false));
  Optimizer optimizer(model.parameters(), {});
  TrainingStep step(model, optimizer, {.batch_size = 16, .lanes = 8, .threads = 3});
  const FillBatch broken = [](int64_t position, int, ImageScratch&, real*, real*, int*) {
    if (position >= 6) throw InputError("cat.jpg: ends early");
  };
  CHECK_THROWS_WITH_AS(step.run(broken, 0, 0, 1, 1e-3), "cat.jpg: ends early", InputError);
}

TEST_CASE("after the first step training allocates nothing") {
  if (!allocations_are_counted()) {
    MESSAGE("skipped: a sanitizer owns malloc");
    return;
  }
  for (const ModelConfig& config :
       {small_model(false), small_model(true), end_to_end("image"), end_to_end("token")}) {
    CAPTURE(config.moe.router);
    Model model(config);
    model.initialise(0);
    Optimizer optimizer(model.parameters(), {});
    TrainingStep step(model, optimizer, {.batch_size = 24, .lanes = 4, .threads = 2});
    const RandomBatch batch(model.config().vit, 24);
    const FillBatch fill = from(batch);
    int64_t n = 0;
    step.run(fill, 0, 0, ++n, 1e-3);
    const int64_t before = allocation_count();
    for (int i = 0; i < 20; ++i) step.run(fill, 0, 0, ++n, 1e-3);
    CHECK(allocation_count() - before == 0);
  }
}

TEST_CASE("a lane plan covers every image once, in pairs, in at most the lanes asked for") {
  for (const int64_t images : {1, 2, 3, 7, 16, 100, 129, 1000}) {
    for (const int lanes : {1, 2, 3, 16, 64}) {
      for (const int64_t tokens : {1, 5, 49, 64, 197, 5000}) {
        const LanePlan plan = plan_lanes(images, lanes, tokens);
        CHECK((plan.lanes >= 1 && plan.lanes <= lanes));
        CHECK((plan.chunk >= 2 && plan.chunk % 2 == 0));
        CHECK(plan.first(0) == 0);
        CHECK(plan.first(plan.lanes) == images);
        for (int l = 0; l < plan.lanes; ++l) {
          CHECK(plan.first(l) < plan.first(l + 1));
          CHECK(plan.first(l) % 2 == 0);
        }
      }
    }
  }
}

TEST_CASE("the learning rate warms up, peaks and ends at its floor") {
  const Schedule s{.peak = 1, .floor = 0.1, .warmup_steps = 4, .total_steps = 104};
  CHECK(s.at(0) == doctest::Approx(0.25));
  CHECK(s.at(3) == doctest::Approx(1));
  CHECK(s.at(4) == doctest::Approx(1));
  CHECK(s.at(54) == doctest::Approx(0.55));
  CHECK(s.at(104) == doctest::Approx(0.1));
  CHECK(s.at(1000) == doctest::Approx(0.1));
  for (int i = 5; i < 104; ++i) CHECK(s.at(i) < s.at(i - 1));
}

TEST_CASE("weight decay acts on weights alone, and the average follows the weights") {
  ParameterStore store;
  const ParamId weight = store.add("w", {3, 3}, Role::weight, Init::constant(1));
  const ParamId bias =
      store.add("b", {2, 3}, Role::bias, Init::constant(1));  // stacked biases do not decay either
  store.allocate();
  store.initialise(0);
  Optimizer optimizer(store, {.weight_decay = 0.5, .ema_decay = 0.75});
  const std::vector<real> gradient(store.size(), 0);
  for (int i = 0; i < optimizer.pieces(); ++i) optimizer.update(i, 1, 0.1, 1, gradient.data());
  CHECK(store.value(weight)[4] == doctest::Approx(0.95));
  CHECK(store.value(bias)[4] == doctest::Approx(1));
  CHECK(store.view(weight, optimizer.average())[0] == doctest::Approx(0.75 + 0.25 * 0.95));
}

TEST_CASE("the signature of the plain kernels is the one on record") {
#ifdef VMOE_F64
  MESSAGE("skipped: the double build computes other bits");
#else
  CHECK(signature() == "e573804889a4b6bb");
  CHECK(kernels().name == available_kernels().back()->name);
#endif
}
