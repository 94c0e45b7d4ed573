#include "train/study/one_image.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

#include "moe/layers.h"
#include "tensor/error.h"
#include "tensor/team.h"
#include "train/inference.h"

namespace vmoe {

namespace {

constexpr int64_t kMostImages = 256;

using Clock = std::chrono::steady_clock;

// Experts that the image on the tape was sent to, summed over blocks with experts.
int64_t experts_touched(const Model::Output& output, size_t moe_blocks) {
  int64_t touched = 0;
  for (const Routing* routing : output.routings) {
    touched += static_cast<int64_t>(std::set<int>(routing->expert.begin(), routing->expert.end()).size());
  }
  // One decision about the image stands for all blocks.
  return output.routings.size() == 1 ? touched * static_cast<int64_t>(moe_blocks) : touched;
}

double quantile(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

OneImageCost cost_of_one_image(Model& model, const EvaluationImages& images, int threads) {
  const int64_t n = std::min(images.size(), kMostImages);
  if (n == 0) throw InputError("there is no image to predict");
  const VitConfig& vit = model.config().vit;
  const std::vector<int> blocks = model.config().moe_blocks();
  auto inference = Inference::taking_weights(model, 1);
  InferenceWorker& worker = inference.worker(0);
  Team team(std::max(1, threads));
  worker.tape.set_team(team);

  std::vector<double> times;
  int64_t touched = 0;
  for (const bool timed : {false, true}) {  // first every expert is packed that an image comes to
    for (int64_t i = 0; i < n; ++i) {
      worker.tape.reset();
      const Tensor pixels = worker.arena.tensor({1, vit.channels, vit.image_size, vit.image_size});
      int label = 0;
      images.fill(i, 1, worker.scratch, pixels.data, &label);
      const auto begin = Clock::now();
      Model::Output output;
      team.lead([&] { output = inference.forward(worker, pixels, Choice::learned, i); });
      if (timed) {
        times.push_back(1e3 * std::chrono::duration<double>(Clock::now() - begin).count());
      } else {
        touched += experts_touched(output, blocks.size());
      }
    }
  }
  std::sort(times.begin(), times.end());
  OneImageCost cost{.p50_ms = quantile(times, 0.5), .p95_ms = quantile(times, 0.95)};
  double params = static_cast<double>(size_of(model.config()).params);
  if (!blocks.empty()) {
    const double expert = static_cast<double>(mlp_layer(vit, blocks[0]).params);
    const double of_an_image = static_cast<double>(touched) / static_cast<double>(n);
    cost.experts = of_an_image / static_cast<double>(blocks.size());
    params += expert * (of_an_image - static_cast<double>(blocks.size()) * model.config().moe.experts);
  }
  cost.bytes = params * sizeof(real);
  return cost;
}

}  // namespace vmoe
