#include "train/settings.h"

#include <filesystem>

#include "moe/config.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

// Settings that earlier programs did not write; a model has keys that they did not know.
void add_what_was_meant(const Record& now, Record& then, const std::string& where) {
  // Not known: it depends on the library, and is taken to be as it was.
  if (!then.contains("weight-gradients") && now.contains("weight-gradients"))
    then["weight-gradients"] = now["weight-gradients"];
  if (!then.contains("precision")) {
    then["precision"] = "fp32";
    then["precision-isa"] = "none";
  }
  const Record::json_pointer model("/model/config");
  if (then.contains(model)) then[model] = to_json(model_config_from_json(then[model], where));
}

bool same_path(const Record& a, const Record& b) {
  if (!a.is_string() || !b.is_string()) return false;
  std::error_code ignored;
  return fs::weakly_canonical(a.get<std::string>(), ignored) ==
         fs::weakly_canonical(b.get<std::string>(), ignored);
}

}  // namespace

std::optional<SettingDifference> first_difference(const Record& before, const Record& now) {
  const Record old_figures = before.flatten(), figures = now.flatten();
  const auto text = [](const Record& record, const std::string& path) {
    return record.contains(path) ? record[path].dump() : "none";
  };
  for (const auto& [path, value] : figures.items()) {  // "/model/config/vit/dim"
    if (!old_figures.contains(path) || old_figures[path] != value)
      return SettingDifference{path.substr(1), text(old_figures, path), value.dump()};
  }
  for (const auto& [path, value] : old_figures.items()) {
    if (!figures.contains(path)) return SettingDifference{path.substr(1), value.dump(), "none"};
  }
  return std::nullopt;
}

void require_same_settings(const Record& now, Record then, const std::string& where) {
  if (!then.is_object()) throw InputError(where + ": 'settings' must be an object");
  add_what_was_meant(now, then, where);
  if (then.contains("data") && now.contains("data") && same_path(then["data"], now["data"]))
    then["data"] = now["data"];
  const auto difference = first_difference(then, now);
  if (!difference) return;
  const auto& [name, was, is] = *difference;
  if (name == "isa" && then.contains("isa") && then["isa"].is_string()) {
    throw ResumeError("the run computes with the instruction set " + was + ", not " + is + "; give --isa " +
                      then["isa"].get<std::string>() + ", or --overwrite to start anew");
  }
  if (name == "weight-gradients") {
    throw ResumeError("the run's weight gradients were computed by " + was + ", here they are by " + is +
                      ", which rounds differently; go on where it was begun, or --overwrite to start anew");
  }
  if (is == "none") throw ResumeError("the run has " + name + " " + was + ", which must be given again");
  throw ResumeError("" + name + " is " + is + ", but the run has " + was +
                    "; only --threads, --max-steps and --save-every may differ");
}

}  // namespace vmoe
