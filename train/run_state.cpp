#include "train/run_state.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "moe/strict_json.h"
#include "tensor/json_fields.h"
#include "train/safetensors.h"

namespace vmoe {

namespace {

using nlohmann::ordered_json;

constexpr int kSchema = 1;

// The blocks of a state file: a prefix of tensor names each.
struct StateBlock {
  const char* prefix;
  real* data;
};

std::vector<StateBlock> blocks_of(Model& model, Optimizer& optimizer) {
  std::vector<StateBlock> blocks = {{"weights.", model.parameters().data()},
                                    {"first_moment.", optimizer.first_moment()},
                                    {"second_moment.", optimizer.second_moment()}};
  if (optimizer.average()) blocks.push_back({"average.", optimizer.average()});
  return blocks;
}

ordered_json to_json(const RoutingStatistics::Sums& s) {
  return {{"units", s.units},
          {"assignments", s.assignments},
          {"entropy", s.entropy},
          {"margin", s.margin},
          {"gate", s.gate},
          {"kept", s.kept},
          {"probability", s.probability}};
}

ordered_json to_json(const RunState& s) {
  ordered_json json = {{"step", s.step},
                       {"best_epoch", s.best_epoch},
                       {"best_accuracy", s.best_accuracy},
                       {"best_loss", s.best_loss},
                       {"loss_sum", s.loss_sum},
                       {"correct", s.correct},
                       {"router_correct", s.router_correct},
                       {"last_loss", s.last_loss},
                       {"expert_load", s.expert_load}};
  for (const RoutingStatistics& decision : s.routing.decisions)
    json["routing"].push_back(to_json(decision.sums()));
  return json;
}

// A number under `key`: a whole one where T is.
template <class T>
T number(const ordered_json& json, const char* key, const std::string& where) {
  const bool fits = json.contains(key) &&
                    (std::is_floating_point_v<T> ? json[key].is_number() : json[key].is_number_integer());
  if (!fits) throw InputError(where + ": '" + key + "' must be a number");
  return json[key].get<T>();
}

// Counts under `key`; a state from before there were any has none.
std::vector<int64_t> counts(const ordered_json& json, const char* key, const std::string& where) {
  std::vector<int64_t> list;
  if (!json.contains(key)) return list;
  const auto is_count = [](const ordered_json& x) { return x.is_number_integer() && x.get<int64_t>() >= 0; };
  if (!json[key].is_array() || !std::all_of(json[key].begin(), json[key].end(), is_count))
    throw InputError(where + ": '" + key + "' must be a list of whole numbers, 0 or more");
  for (const ordered_json& count : json[key]) list.push_back(count.get<int64_t>());
  return list;
}

RoutingStatistics statistics_from_json(const ordered_json& json, int experts, const std::string& where) {
  if (!json.is_object()) throw InputError(where + ": 'routing' must be a list of objects");
  RoutingStatistics::Sums s;
  s.units = number<int64_t>(json, "units", where);
  s.assignments = number<int64_t>(json, "assignments", where);
  s.entropy = number<double>(json, "entropy", where);
  s.margin = number<double>(json, "margin", where);
  s.gate = number<double>(json, "gate", where);
  for (const char* key : {"kept", "probability"}) {
    const bool fits =
        json.contains(key) && json[key].is_array() && json[key].size() == static_cast<size_t>(experts) &&
        std::all_of(json[key].begin(), json[key].end(), [](const auto& n) { return n.is_number(); });
    if (!fits) throw InputError(where + ": '" + key + "' must be a number for each of the experts");
  }
  s.kept = json["kept"].get<std::vector<int64_t>>();
  s.probability = json["probability"].get<std::vector<double>>();
  return RoutingStatistics(std::move(s));
}

// An earlier program wrote none, or one for all decisions together: the epoch at work then counts from here.
ModelRouting routing_from_json(const ordered_json& state, const ModelConfig& model,
                               const std::string& where) {
  ModelRouting routing(model);
  if (!state.contains("routing") || state["routing"].is_object()) return routing;
  const ordered_json& list = state["routing"];
  if (!list.is_array() || list.size() != routing.decisions.size()) {
    throw InputError(where + ": 'routing' must be a list of " + std::to_string(routing.decisions.size()) +
                     ", one for each decision of the model");
  }
  for (size_t i = 0; i < list.size(); ++i)
    routing.decisions[i] = statistics_from_json(list[i], model.moe.experts, where);
  return routing;
}

RunState state_from_json(const ordered_json& json, const ModelConfig& model, const std::string& where) {
  RunState s;
  s.step = number<int64_t>(json, "step", where);
  s.best_epoch = number<int>(json, "best_epoch", where);
  s.best_accuracy = number<double>(json, "best_accuracy", where);
  s.best_loss = number<double>(json, "best_loss", where);
  s.loss_sum = number<double>(json, "loss_sum", where);
  s.correct = number<int64_t>(json, "correct", where);
  s.router_correct = number<int64_t>(json, "router_correct", where);
  s.routing = routing_from_json(json, model, where);
  s.last_loss = number<double>(json, "last_loss", where);
  s.expert_load = counts(json, "expert_load", where);
  if (s.step < 0) throw InputError(where + ": 'step' must be 0 or more");
  if (!(s.best_accuracy >= 0 && s.best_accuracy <= 1))
    throw InputError(where + ": 'best_accuracy' must be from 0 to 1");
  return s;
}

// The `vmoe` entry: {"schema", "settings", "state"}.
ordered_json read_entry(const SafetensorsFile& file) {
  const std::string where = "'" + file.path() + "'";
  const auto entry = file.metadata().find("vmoe");
  if (entry == file.metadata().end())
    throw InputError(where + ": is not the state of a run (no 'vmoe' metadata)");
  ordered_json json = parse_json(entry->second, where);
  if (!json.is_object() || json.value("schema", ordered_json()) != kSchema || !json.contains("settings") ||
      !json.contains("state") || !json["state"].is_object()) {
    throw InputError(where + ": is not the state of a run of this version");
  }
  return json;
}

}  // namespace

void save_run_state(const std::string& path, Model& model, Optimizer& optimizer, const RunState& state,
                    const ordered_json& settings) {
  std::vector<TensorToWrite> tensors;
  for (const StateBlock& block : blocks_of(model, optimizer)) {
    for (const Parameter& parameter : model.parameters().all()) {
      tensors.push_back({block.prefix + parameter.name, parameter.shape, block.data + parameter.offset});
    }
  }
  const ordered_json entry = {{"schema", kSchema}, {"settings", settings}, {"state", to_json(state)}};
  write_safetensors(path, {{"vmoe", entry.dump(-1, ' ', false, ordered_json::error_handler_t::replace)}},
                    tensors);
}

ordered_json read_run_settings(const std::string& path) {
  return read_entry(SafetensorsFile::open(path))["settings"];
}

RunState load_run_state(const std::string& path, Model& model, Optimizer& optimizer) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  const RunState state = state_from_json(read_entry(file)["state"], model.config(), "'" + path + "'");
  const auto blocks = blocks_of(model, optimizer);
  for (const StateBlock& block : blocks) {
    for (const Parameter& parameter : model.parameters().all()) {
      const TensorEntry* entry = file.find(block.prefix + parameter.name);
      if (!entry || entry->shape != parameter.shape) {
        throw InputError("'" + path + "': tensor '" + block.prefix + parameter.name + "' " +
                         to_string(parameter.shape) + " is missing or has another shape");
      }
    }
  }
  for (const StateBlock& block : blocks) {
    for (const Parameter& parameter : model.parameters().all()) {
      file.read_finite(*file.find(block.prefix + parameter.name), block.data + parameter.offset);
    }
  }
  return state;
}

}  // namespace vmoe
