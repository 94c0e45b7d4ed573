#pragma once
// What a run must remember to go on byte for byte: last.state.safetensors.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "moe/model.h"
#include "moe/routing_statistics.h"
#include "train/optimizer.h"

namespace vmoe {

/// Everything of a run's state that is not a tensor. Nothing of time is in it, so equal runs write equal
/// bytes.
struct RunState {
  int64_t step = 0;                         // updates done; the place in the run follows from it
  int best_epoch = 0;                       // 0: no epoch was evaluated yet
  double best_accuracy = 0, best_loss = 0;  // on the hold-out
  // Sums over the steps of the epoch at work, for its figures.
  double loss_sum = 0;
  int64_t correct = 0, router_correct = 0;
  ModelRouting routing;
  double last_loss = 0;              // mean of the last whole epoch
  std::vector<int64_t> expert_load;  // of the last step (ExpertLoad::counts)

  bool operator==(const RunState&) const = default;
};

/// Writes raw weights, moments, average and state, atomically.
void save_run_state(const std::string& path, Model& model, Optimizer& optimizer, const RunState& state,
                    const nlohmann::ordered_json& settings);

/// The settings that a state file was written with. Throws InputError if it is no such file.
nlohmann::ordered_json read_run_settings(const std::string& path);

/// Reads the state into model and optimiser, whose layout the settings decided. Throws InputError if a tensor
/// is missing or has another shape.
RunState load_run_state(const std::string& path, Model& model, Optimizer& optimizer);

}  // namespace vmoe
