// Dropout and drop path: rates, scale, and masks that follow the image, not the chunk.

#include "nn/dropout.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "nn/vit.h"
#include "tests/nn/model_fixture.h"

namespace vmoe::testing {

namespace {

// What `drop` makes of `images` images of ones, which start at `position` in the epoch.
template <class Drop>
std::vector<real> dropped(int64_t images, int64_t numbers, uint32_t position, const Drop& drop,
                          bool training = true, uint32_t epoch = 2, uint64_t seed = 5) {
  Arena arena;
  Tape tape(arena);
  std::vector<real> ones(images * numbers, 1);
  Pass pass{tape, training, seed, epoch, position};
  const Tensor y = tape.value(drop(pass, tape.constant({ones.data(), {images, numbers}})));
  return {y.begin(), y.end()};
}

double mean(const std::vector<real>& numbers) {
  double sum = 0;
  for (const real x : numbers) sum += x;
  return sum / static_cast<double>(numbers.size());
}

const auto kDropout = [](Pass& pass, Var x) { return dropout(pass, x, 0.3, 4); };
const auto kDropPath = [](Pass& pass, Var x) { return drop_path(pass, x, 0.3, 4); };

TEST_CASE("dropout zeroes its share and scales up the rest, so that the mean stays") {
  const std::vector<real> y = dropped(8, 4000, 0, kDropout);
  int64_t zeros = 0;
  for (const real v : y) {
    zeros += v == 0;
    CHECK((v == 0 || v == static_cast<real>(1 / 0.7)));
  }
  // 32,000 draws: the share's deviation is 0.0026.
  CHECK(std::abs(zeros / 32000.0 - 0.3) <= 0.013);
  CHECK(std::abs(mean(y) - 1) <= 0.02);
}

TEST_CASE("drop path keeps or drops whole images") {
  const std::vector<real> y = dropped(4000, 3, 0, kDropPath);
  for (size_t i = 0; i < y.size(); i += 3) CHECK((y[i] == y[i + 1] && y[i] == y[i + 2]));
  CHECK(std::abs(mean(y) - 1) <= 0.05);
}

TEST_CASE("masks follow the image's place in the epoch, not the chunk") {
  const auto check = [](const auto& drop) {
    const std::vector<real> whole = dropped(6, 50, 100, drop), later = dropped(4, 50, 102, drop);
    CHECK(std::vector<real>(whole.begin() + 100, whole.end()) == later);
  };
  check(kDropout);
  check(kDropPath);
}

TEST_CASE("masks differ by seed, epoch, layer and image") {
  const std::vector<real> y = dropped(2, 200, 0, kDropout);
  CHECK(y != dropped(2, 200, 0, kDropout, true, 3));
  CHECK(y != dropped(2, 200, 0, kDropout, true, 2, 6));
  CHECK(y != dropped(2, 200, 0, [](Pass& pass, Var x) { return dropout(pass, x, 0.3, 5); }));
  CHECK(std::vector<real>(y.begin(), y.begin() + 200) != std::vector<real>(y.begin() + 200, y.end()));
}

TEST_CASE("rows in another order are dropped like the images they hold") {
  const std::vector<int> order = {2, 0, 1};
  const View<const int> image{order.data(), {3}};
  const std::vector<real> plain = dropped(3, 40, 9, kDropout);
  const std::vector<real> reordered =
      dropped(3, 40, 9, [&](Pass& pass, Var x) { return dropout(pass, x, 0.3, 4, image); });
  for (int row = 0; row < 3; ++row) {
    for (int i = 0; i < 40; ++i) CHECK(reordered[row * 40 + i] == plain[order[row] * 40 + i]);
  }
}

TEST_CASE("pieces of images are dropped like their places in these images") {
  const std::vector<int> order = {5, 0, 2, 3, 1, 4};  // thirds of two images of 3 x 13 numbers
  const View<const int> piece{order.data(), {6}};
  const std::vector<real> plain = dropped(2, 39, 9, kDropout);
  const std::vector<real> pieces =
      dropped(6, 13, 9, [&](Pass& pass, Var x) { return dropout(pass, x, 0.3, 4, piece, 3); });
  for (int row = 0; row < 6; ++row) {
    for (int i = 0; i < 13; ++i) CHECK(pieces[row * 13 + i] == plain[order[row] * 13 + i]);
  }
}

TEST_CASE("nothing is dropped outside training or at rate 0") {
  const std::vector<real> ones(6 * 50, 1);
  CHECK(dropped(6, 50, 0, kDropout, false) == ones);
  CHECK(dropped(6, 50, 0, kDropPath, false) == ones);
  CHECK(dropped(6, 50, 0, [](Pass& pass, Var x) { return dropout(pass, x, 0, 4); }) == ones);
  CHECK(dropped(6, 50, 0, [](Pass& pass, Var x) { return drop_path(pass, x, 0, 4); }) == ones);
}

TEST_CASE("the branches of a block and the blocks of a model are dropped independently of each other") {
  VitConfig config;
  config.dim = 8;
  config.heads = 2;
  config.mlp_dim = 8;
  config.depth = 3;
  config.drop_path = 0.5;
  ParameterStore store;
  const Block quarter(store, config, 1), half(store, config, 2);
  store.allocate();
  fill_with_pattern(store);
  // All images are alike, so an image's output tells which of its four branches were dropped.
  const int64_t images = 400, size = 8;
  std::vector<real> x;
  for (int64_t b = 0; b < images; ++b) {
    const std::vector<real> image = pattern("image", size);
    x.insert(x.end(), image.begin(), image.end());
  }
  const ModelGraph two_blocks = [&](Pass& pass, Var input) -> Outputs {
    const Var tokens = reshape(pass.tape, input, {images, 1, size});
    const Var y = half.forward(pass, quarter.forward(pass, tokens));
    return {y, sum(pass.tape, y)};
  };
  const std::vector<real> y = run_pass(store, two_blocks, {images, size}, x.data()).logits;
  std::set<std::vector<real>> outcomes;
  for (int64_t b = 0; b < images; ++b) outcomes.emplace(y.begin() + b * size, y.begin() + (b + 1) * size);
  CHECK(outcomes.size() == 16);
}

TEST_CASE("dropout acts after the embedding, after every attention, in and after every MLP, independently") {
  VitConfig config;
  config.image_size = config.patch_size = 4;
  config.channels = 1;
  config.dim = config.mlp_dim = 20;
  config.heads = 1;
  config.depth = 2;
  config.positions = Positions::none;
  config.dropout = 0.5;
  ParameterStore store;
  const Vit vit(store, config);
  store.allocate();  // zeros: every part of the sum is a bias, the hidden one times the diagonal of fc2
  const auto set = [&](const std::string& name, real value, int64_t every = 1) {
    const Tensor numbers = store.value(store.find(name));
    for (int64_t i = 0; i < numbers.count(); i += every) numbers[i] = value;
  };
  set("patch_embed.proj.bias", 1);
  const real part[] = {4, 16, 32, 256, 1024, 2048};
  for (int block = 0; block < 2; ++block) {
    const std::string name = "blocks." + std::to_string(block);
    set(name + ".attn.proj.bias", part[3 * block]);
    set(name + ".mlp.fc2.bias", part[3 * block + 1]);
    set(name + ".mlp.fc1.bias", 8);  // gelu(8) is 8
    set(name + ".mlp.fc2.weight", part[3 * block + 2] / 8, config.dim + 1);
  }
  const int64_t images = 200;
  const std::vector<real> zeros(images * 16, 0);
  const ModelGraph sums = [&](Pass& pass, Var input) -> Outputs {
    Var x = vit.embed(pass, input);
    for (const Block& block : vit.blocks) x = block.forward(pass, x);
    return {x, sum(pass.tape, x)};
  };
  const std::vector<real> y = run_pass(store, sums, image_shape(config, images), zeros.data()).logits;
  // Embedding and attention are kept or not; of an MLP all, all but its hidden part, or nothing is kept. The
  // rarest outcome has probability 1/128 and 4000 draws.
  CHECK(std::set<real>(y.begin(), y.end()).size() == 2 * (2 * 3) * (2 * 3));
  // At this rate whatever is kept is doubled, the hidden parts twice.
  const double all_kept = 2 * (1 + 4 + (16 + 2 * 32) + 256 + (1024 + 2 * 2048));
  CHECK(std::abs(*std::max_element(y.begin(), y.end()) - all_kept) <= 1e-9);
}

TEST_CASE("drop path rises linearly with depth") {
  VitConfig config;
  config.dim = 4;
  config.heads = 1;
  config.mlp_dim = 4;
  config.depth = 5;
  config.drop_path = 0.2;
  ParameterStore store;
  for (int i = 0; i < 5; ++i) CHECK(Block(store, config, i).drop_path_rate == doctest::Approx(0.05 * i));
  config.depth = 1;
  ParameterStore other;
  CHECK(Block(other, config, 0).drop_path_rate == 0);
}

}  // namespace

}  // namespace vmoe::testing
