#include "train/predict.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "data/decode.h"
#include "train/inference.h"

namespace vmoe {

struct Predictor::State {
  State(LoadedModel from, int threads, Precision precision)
      : loaded(std::move(from)),
        inference(Inference::taking_weights(*loaded.model, 1, precision)),
        team(threads) {
    inference.worker(0).tape.set_team(team);
  }

  LoadedModel loaded;
  Inference inference;
  Team team;
};

Predictor::Predictor(LoadedModel loaded, int threads, Precision precision)
    : state_(std::make_unique<State>(std::move(loaded), threads, precision)) {}
Predictor::~Predictor() = default;

const ModelDescription& Predictor::description() const {
  return state_->loaded.description;
}

namespace {

// The `top` largest of n probabilities, ties in the order of classes.
std::vector<Prediction::Guess> best_guesses(const real* probability, const std::vector<std::string>& classes,
                                            int top) {
  const int n = static_cast<int>(classes.size());
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return probability[a] > probability[b]; });
  order.resize(std::clamp(top, 1, n));
  std::vector<Prediction::Guess> guesses;
  for (const int i : order) guesses.push_back({i, classes[i], probability[i]});
  return guesses;
}

// The experts that looked at the only image, largest gate first.
std::vector<Prediction::ChosenExpert> chosen_experts(const Tape& tape, const Model::Output& output,
                                                     const std::vector<std::string>& names) {
  std::vector<Prediction::ChosenExpert> experts;
  double units = 0;
  for (const Routing* routing : output.routings) {
    units += routing->units;
    for (int64_t a = 0; a < routing->expert.count(); ++a) {
      const int e = routing->expert[a];
      auto known = std::find_if(experts.begin(), experts.end(), [&](const auto& x) { return x.index == e; });
      if (known == experts.end()) known = experts.insert(known, {e, 0, names.empty() ? "" : names[e]});
      known->gate += tape.value(routing->gate)[a];
    }
  }
  for (auto& expert : experts) expert.gate /= units;
  std::stable_sort(experts.begin(), experts.end(),
                   [](const auto& a, const auto& b) { return a.gate > b.gate; });
  return experts;
}

}  // namespace

Prediction Predictor::predict(const std::string& path, int top) {
  const auto start = std::chrono::steady_clock::now();
  const ModelDescription& description = state_->loaded.description;
  const VitConfig& vit = description.config.vit;
  InferenceWorker& worker = state_->inference.worker(0);
  Tape& tape = worker.tape;
  tape.reset();
  worker.scratch.reset();
  const Tensor pixels = tape.allocate({1, vit.channels, vit.image_size, vit.image_size});
  naming_image([&] { return path; },
               [&] {
                 preprocess(load_image(path, worker.scratch), description.preprocess, worker.scratch,
                            pixels.data);
               });

  Model::Output output;
  Var probabilities;
  state_->team.lead([&] {
    output = state_->inference.forward(worker, pixels);
    probabilities = softmax(tape, output.logits);
  });
  const Tensor p = tape.value(probabilities);
  if (!std::all_of(p.begin(), p.end(), [](real share) { return std::isfinite(share); })) {
    throw InputError("the model's probabilities for '" + path +
                     "' are not finite; its weights are too large");
  }
  Prediction prediction;
  prediction.path = path;
  prediction.top = best_guesses(p.data, description.classes, top);
  if (output.routing) prediction.experts = chosen_experts(tape, output, description.experts);
  prediction.milliseconds =
      1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return prediction;
}

}  // namespace vmoe
