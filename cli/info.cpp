// vmoe info: what a model consists of, which models there are, how the program was built.

#include <filesystem>
#include <optional>
#include <ostream>

#include "cli/build_info.h"
#include "cli/commands.h"
#include "cli/common_flags.h"
#include "moe/layers.h"
#include "nn/presets.h"
#include "train/model_file.h"
#include "train/suggest.h"

namespace vmoe {
namespace {

/// A model to be described: of a file, or a preset with flags.
struct Subject {
  std::string name;
  ModelConfig config;
  std::optional<ModelDescription> file;
};

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (int i = 0; i < shape.rank(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// The first flag that describes a model; empty if none was given.
std::string first_of_model(const Flags& flags) {
  const std::string given = flags.first_given("Model");
  return given.empty() ? flags.first_given("Mixture of experts") : given;
}

Subject find_subject(const std::string& argument, ModelFlags& model_flags, const Flags& flags) {
  std::error_code ignored;
  const bool file = std::filesystem::exists(argument, ignored);
  std::vector<std::string> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  const bool preset = std::find(names.begin(), names.end(), argument) != names.end();
  if (preset && !file) {
    if (!model_flags.model.empty() && model_flags.model != argument)
      throw UsageError("--model " + model_flags.model + ": the model is '" + argument +
                       "' already; give one of them");
    model_flags.model = argument;
    return {argument, model_from_flags(model_flags), {}};
  }
  if (!file && argument.find_first_of("/.") == std::string::npos) {
    throw UsageError("'" + printable(argument) + "' is neither a file nor a model" +
                     did_you_mean(argument, names) + " (vmoe info lists the models)");
  }
  const std::string given = first_of_model(flags);
  if (!given.empty())
    throw UsageError(given + " goes with the name of a model; '" + argument + "' is a file");
  LoadedModel loaded = load_model(model_path(argument));
  const ModelConfig config = loaded.description.config;
  return {argument, config, std::move(loaded.description)};
}

Json to_json(const Subject& subject) {
  const ModelSize size = size_of(subject.config);
  Json json = json_result();
  json["name"] = subject.name;
  json["params"] = size.params;
  json["active_params"] = size.active_params;
  json["flops"] = size.flops;
  json["routed_flops"] = size.routed_flops;
  json["moe_blocks"] = subject.config.moe_blocks();
  json["config"] = to_json(subject.config);
  json["layers"] = Json::array();
  for (const LayerInfo& layer : layers(subject.config)) {
    Json output = Json::array();
    for (int i = 0; i < layer.output.rank(); ++i) output.push_back(layer.output[i]);
    json["layers"].push_back({{"name", layer.name},
                              {"output", output},
                              {"params", layer.params},
                              {"active_params", layer.active_params},
                              {"flops", layer.flops}});
  }
  if (subject.file) {
    json["preprocess"] = Json::parse(to_json(subject.file->preprocess).dump());
    json["classes"] = subject.file->classes;
    json["experts"] = subject.file->experts;
    json["holdout"] = subject.file->holdout;
    json["holdout_seed"] = subject.file->holdout_seed;
  }
  json["build"] = build_info();
  return json;
}

std::string layer_table(const ModelConfig& config) {
  std::vector<std::vector<std::string>> rows = {{"  layer", "output", "parameters", "active", "FLOPs"}};
  for (const LayerInfo& layer : layers(config)) {
    rows.push_back({"  " + layer.name, shape_text(layer.output), std::to_string(layer.params),
                    std::to_string(layer.active_params), with_unit(static_cast<double>(layer.flops))});
  }
  return columns(rows);
}

/// "cat, dog, ... (100)"
std::string shortened(const std::vector<std::string>& names) {
  constexpr size_t kShown = 10;
  std::string text;
  for (size_t i = 0; i < names.size() && i < kShown; ++i) text += (i > 0 ? ", " : "") + names[i];
  return names.size() > kShown ? text + ", ... (" + std::to_string(names.size()) + ")" : text;
}

std::string numbers(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : ", ") + fixed(value, 4);
  return text;
}

void print_file(std::ostream& out, const ModelDescription& file) {
  const Preprocess& p = file.preprocess;
  out << "Preprocessing: " << p.filter << " to " << p.image_size << " x " << p.image_size << " x "
      << p.channels << ", keeping " << percent(p.crop_fraction, 1) << " of the shorter side; mean "
      << numbers(p.mean) << ", deviation " << numbers(p.deviation) << '\n'
      << "Classes: " << shortened(file.classes) << '\n';
  for (size_t i = 0; i < file.experts.size(); ++i) out << "Expert " << i << ": " << file.experts[i] << '\n';
  out << "Hold-out: " << percent(file.holdout, 1) << " of the training images, split seed "
      << file.holdout_seed << '\n';
}

void print(std::ostream& out, const Subject& subject) {
  const ModelSize size = size_of(subject.config);
  out << subject.name << ": " << with_unit(static_cast<double>(size.params)) << " parameters ("
      << with_unit(static_cast<double>(size.active_params)) << " active), "
      << with_unit(static_cast<double>(size.flops)) << " FLOPs an image\n";
  if (!subject.config.moe.is_dense()) {
    out << "Mixture: " << mixture_phrase(subject.config) << "; "
        << percent(static_cast<double>(size.routed_flops) / static_cast<double>(size.flops), 1)
        << " of the FLOPs are in routed experts\n";
  }
  out << "Config: " << json_line(to_json(subject.config)) << '\n' << layer_table(subject.config);
  if (subject.file) print_file(out, *subject.file);
  out << "Build\n" << build_text(build_info());
}

void print_overview(std::ostream& out, bool json) {
  if (json) {
    Json object = json_result();
    object["build"] = build_info();
    object["models"] = Json::array();
    for (const Preset& preset : presets()) {
      object["models"].push_back({{"name", preset.name}, {"summary", preset.summary}});
    }
    return print_json(out, object);
  }
  out << "Build\n" << build_text(build_info()) << "Models (vmoe info NAME shows one)\n";
  for (const Preset& preset : presets()) {
    const std::string name = preset.name;
    out << "  " << name << std::string(name.size() < 24 ? 24 - name.size() : 1, ' ') << preset.summary
        << '\n';
  }
}

}  // namespace

ExitCode info_command(Arguments arguments, Streams& streams) {
  std::string argument;
  ModelFlags model;
  bool json = false;
  Flags flags({"info", "Shows what a model consists of, and how this program was built.",
               "vmoe info cifar192 --router image --experts 20"});
  flags.argument("MODEL", argument,
                 "a model file, the folder of a run, or the name of a preset; without: all presets", false);
  add_model_flags(flags, model, "", "needed with --router");
  flags.group("Flags");
  add_json_flag(flags, json);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  if (argument.empty() && model.model.empty()) {
    const std::string given = first_of_model(flags);
    if (!given.empty())
      throw UsageError(given +
                       " goes with the name of a model, such as: vmoe info cifar128 (vmoe info lists them)");
    print_overview(streams.out, json);
    return ExitCode::done;
  }
  const Subject subject = find_subject(argument.empty() ? model.model : argument, model, flags);
  if (json) {
    print_json(streams.out, to_json(subject));
  } else {
    print(streams.out, subject);
  }
  return ExitCode::done;
}

}  // namespace vmoe
