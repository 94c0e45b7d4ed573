#include "train/study/one_image.h"

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "moe/layers.h"
#include "tensor/error.h"
#include "tensor/team.h"
#include "train/clock.h"
#include "train/inference.h"
#include "train/statistics.h"

namespace vmoe {

namespace {

constexpr int64_t kMostImages = 256;

// Experts that the image on the tape was sent to, summed over blocks with experts.
int64_t experts_touched(const Model::Output& output, size_t moe_blocks) {
  int64_t touched = 0;
  for (const Routing* routing : output.routings) {
    touched += static_cast<int64_t>(std::set<int>(routing->expert.begin(), routing->expert.end()).size());
  }
  // One decision about the image stands for all blocks.
  return output.routings.size() == 1 ? touched * static_cast<int64_t>(moe_blocks) : touched;
}

int64_t images_to_predict(const EvaluationImages& images) {
  if (images.size() == 0) throw InputError("there is no image to predict");
  return std::min(images.size(), kMostImages);
}

/// A model that predicts one image at a time with all threads.
class OneImage {
 public:
  OneImage(Model& model, Team& team)
      : vit_(model.config().vit), team_(team), model_(Inference::taking_weights(model, 1)) {
    model_.worker(0).tape.set_team(team);
  }

  /// Image i of `images`; what it returns lasts until the next call.
  Model::Output predict(const EvaluationImages& images, int64_t i) {
    InferenceWorker& worker = model_.worker(0);
    worker.tape.reset();
    const Tensor pixels = worker.arena.tensor({1, vit_.channels, vit_.image_size, vit_.image_size});
    int label = 0;
    images.fill(i, 1, worker.scratch, pixels.data, &label);
    const auto begin = Clock::now();
    Model::Output output;
    team_.lead([&] { output = model_.forward(worker, pixels, Choice::learned, i); });
    last_ms_ = 1e3 * seconds_since(begin);
    return output;
  }
  double last_ms() const { return last_ms_; }

 private:
  VitConfig vit_;
  Team& team_;
  Inference model_;
  double last_ms_ = 0;  // of the last forward pass
};

}  // namespace

OneImageWeights weights_of_one_image(Model& model, const EvaluationImages& images, int threads) {
  const int64_t n = images_to_predict(images);
  const VitConfig& vit = model.config().vit;
  const std::vector<int> blocks = model.config().moe_blocks();
  Team team(std::max(1, threads));
  OneImage one(model, team);
  int64_t touched = 0;
  for (int64_t i = 0; i < n; ++i) touched += experts_touched(one.predict(images, i), blocks.size());
  OneImageWeights weights;
  double params = static_cast<double>(size_of(model.config()).params);
  if (!blocks.empty()) {
    const double expert = static_cast<double>(mlp_layer(vit, blocks[0]).params);
    const double of_an_image = static_cast<double>(touched) / static_cast<double>(n);
    weights.experts = of_an_image / static_cast<double>(blocks.size());
    params += expert * (of_an_image - static_cast<double>(blocks.size()) * model.config().moe.experts);
  }
  weights.bytes = params * sizeof(real);
  return weights;
}

std::vector<OneImageTimes> times_of_one_image(const std::vector<Model*>& models,
                                              const EvaluationImages& images, int threads) {
  const int64_t n = images_to_predict(images);
  Team team(std::max(1, threads));
  std::vector<std::unique_ptr<OneImage>> ones;
  for (Model* model : models) ones.push_back(std::make_unique<OneImage>(*model, team));
  std::vector<std::vector<double>> times(models.size());
  for (const bool timed : {false, true}) {  // first every expert is packed that an image comes to
    for (int64_t i = 0; i < n; ++i) {
      for (size_t m = 0; m < ones.size(); ++m) {
        ones[m]->predict(images, i);
        if (timed) times[m].push_back(ones[m]->last_ms());
      }
    }
  }
  std::vector<OneImageTimes> result;
  for (std::vector<double>& of_model : times) {
    std::sort(of_model.begin(), of_model.end());
    result.push_back({.p50_ms = quantile(of_model, 0.5), .p95_ms = quantile(of_model, 0.95)});
  }
  return result;
}

}  // namespace vmoe
