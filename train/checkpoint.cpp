#include "train/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "moe/layers.h"
#include "moe/strict_json.h"
#include "tensor/json_fields.h"
#include "train/safetensors.h"
#include "train/version.h"

namespace vmoe {

namespace {

using nlohmann::ordered_json;

constexpr int kSchema = 1;

void require_coverage(const SafetensorsFile& file, const ParameterStore& store) {
  for (const Parameter& parameter : store.all()) {
    const TensorEntry* entry = file.find(parameter.name);
    if (!entry) {
      throw InputError("'" + file.path() + "': tensor '" + parameter.name + "' " +
                       to_string(parameter.shape) +
                       " is missing, which the model described in the same file needs");
    }
    if (entry->shape != parameter.shape) {
      throw InputError("'" + file.path() + "': tensor '" + parameter.name + "' has shape " +
                       to_string(entry->shape) + ", the model described in the same file needs " +
                       to_string(parameter.shape));
    }
  }
  for (const TensorEntry& entry : file.tensors()) {
    if (!store.find(entry.name)) {
      throw InputError("'" + file.path() + "': tensor '" + entry.name +
                       "' is none of the model described in the same file");
    }
  }
}

// A description is not trusted with memory: a file that holds far less than it describes is refused before
// anything is allocated. (What is missing otherwise, `require_coverage` says by name.)
void require_plausible_size(const SafetensorsFile& file, const ModelConfig& config) {
  int64_t numbers = 0;
  for (const TensorEntry& entry : file.tensors()) numbers += entry.shape.count();
  const int64_t needed = size_of(config).params;
  if (needed / 2 > numbers + (int64_t{1} << 20)) {
    throw InputError("'" + file.path() + "': describes a model of " + std::to_string(needed) +
                     " parameters, but holds " + std::to_string(numbers) + " numbers");
  }
}

}  // namespace

std::string description_to_json(const ModelDescription& d) {
  ordered_json json;
  json["schema"] = kSchema;
  json["version"] = kVersion;
  json["config"] = to_json(d.config);
  json["classes"] = d.classes;
  json["experts"] = d.experts;
  json["preprocess"] = to_json(d.preprocess);
  json["holdout"] = {{"fraction", d.holdout}, {"seed", d.holdout_seed}};
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ModelDescription description_from_json(const std::string& text, const std::string& where) {
  const ordered_json json = parse_json(text, where);
  ModelDescription d;
  int schema = 0, seed = 0;
  std::string version;
  JsonFields fields(json, where);
  fields.read("schema", schema);
  if (schema != kSchema) {
    throw InputError(where + ": schema " + std::to_string(schema) +
                     " is unknown; this program reads schema " + std::to_string(kSchema));
  }
  fields.read("version", version);
  d.config = model_config_from_json(fields.object("config"), where + ": config");
  fields.read("classes", d.classes);
  fields.read("experts", d.experts);
  d.preprocess = preprocess_from_json(fields.object("preprocess"), where + ": preprocess");
  JsonFields holdout(fields.object("holdout"), where);
  holdout.read("fraction", d.holdout);
  holdout.read("seed", seed);
  holdout.finish();
  fields.finish();
  d.holdout_seed = static_cast<uint64_t>(seed);

  const VitConfig& vit = d.config.vit;
  if (static_cast<int>(d.classes.size()) != vit.classes) {
    throw InputError(where + ": " + std::to_string(d.classes.size()) + " class names for a head of " +
                     std::to_string(vit.classes) + " classes");
  }
  if (!d.experts.empty() && static_cast<int>(d.experts.size()) != d.config.moe.experts) {
    throw InputError(where + ": " + std::to_string(d.experts.size()) + " expert names for " +
                     std::to_string(d.config.moe.experts) + " experts");
  }
  if (d.preprocess.image_size != vit.image_size || d.preprocess.channels != vit.channels) {
    throw InputError(where + ": preprocessing makes images of " + std::to_string(d.preprocess.image_size) +
                     " pixels and " + std::to_string(d.preprocess.channels) + " channels, the model takes " +
                     std::to_string(vit.image_size) + " and " + std::to_string(vit.channels));
  }
  if (!(d.holdout >= 0 && d.holdout < 1) || seed < 0) {
    throw InputError(where + ": holdout must have a fraction in [0, 1) and a seed >= 0");
  }
  return d;
}

void save_model(const std::string& path, const Model& model, const real* block,
                const ModelDescription& description) {
  const ParameterStore& store = model.parameters();
  std::vector<TensorToWrite> tensors;
  for (const Parameter& parameter : store.all()) {
    tensors.push_back({parameter.name, parameter.shape, block + parameter.offset});
  }
  write_safetensors(path, {{"vmoe", description_to_json(description)}}, tensors);
}

namespace {

ModelDescription description_in(const SafetensorsFile& file) {
  const std::string path = file.path();
  const auto entry = file.metadata().find("vmoe");
  if (entry == file.metadata().end() || file.metadata().size() != 1) {
    throw InputError("'" + path +
                     "': is a safetensors file, but not a model of this program: its __metadata__ must "
                     "have exactly the key 'vmoe'");
  }
  ModelDescription description = description_from_json(entry->second, "'" + path + "': vmoe");
  require_plausible_size(file, description.config);
  return description;
}

void read_weights(const SafetensorsFile& file, ParameterStore& store) {
  require_coverage(file, store);
  for (int i = 0; i < store.count(); ++i) {
    file.read_finite(*file.find(store[{i}].name), store.value({i}).data);
  }
}

}  // namespace

LoadedModel load_model(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  LoadedModel loaded{description_in(file), nullptr};
  loaded.model = std::make_unique<Model>(loaded.description.config);
  read_weights(file, loaded.model->parameters());
  return loaded;
}

ModelDescription load_description(const std::string& path) {
  return description_in(SafetensorsFile::open(path));
}

void load_weights(const std::string& path, ParameterStore& store) {
  read_weights(SafetensorsFile::open(path), store);
}

void require_classes_of(const ModelDescription& model, const DatasetInfo& data) {
  constexpr size_t kShown = 80;  // bytes of a name, which may be as long as a file says
  const std::vector<std::string>& classes = data.classes;
  if (classes.size() != model.classes.size()) {
    throw InputError("'" + data.path + "' has " + std::to_string(classes.size()) + " classes, the model " +
                     std::to_string(model.classes.size()) +
                     "; it must be the data set that the model was trained on");
  }
  for (size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] == model.classes[i]) continue;
    throw InputError("class " + std::to_string(i) + " of '" + data.path + "' is '" +
                     classes[i].substr(0, kShown) + "', of the model '" + model.classes[i].substr(0, kShown) +
                     "'; they must be the same");
  }
}

}  // namespace vmoe
