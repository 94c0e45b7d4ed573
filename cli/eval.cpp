// vmoe eval: how good a model is.

#include <optional>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/model_file.h"
#include "cli/output.h"
#include "train/atomic_file.h"
#include "train/evaluate.h"

namespace vmoe {
namespace {

struct EvalOptions {
  std::string model, data, format = "auto", labels = "fine", split = "test", confusion;
  Machine machine;
  bool json = false;
};

Json to_json(const Evaluation& e, const EvalOptions& options) {
  Json json = json_result();
  json["split"] = options.split;
  json["n"] = e.n;
  json["top1"] = e.top1;
  json["top5"] = e.top5;
  json["loss"] = e.loss;
  json["images_per_second"] = static_cast<double>(e.n) / e.seconds;
  json["seconds"] = e.seconds;
  if (!e.expert_load.empty()) {
    json["router_accuracy"] = e.router_accuracy;
    json["expert_load"] = e.expert_load;
  }
  return json;
}

void print(std::ostream& out, const Evaluation& e, const ModelDescription& model, const std::string& split) {
  out << e.n << " images (" << split << "): top-1 " << percent(e.top1) << ", top-5 " << percent(e.top5)
      << ", loss " << fixed(e.loss, 4) << ", " << fixed(static_cast<double>(e.n) / e.seconds, 0)
      << " img/s\n";
  if (e.expert_load.empty()) return;
  if (!model.experts.empty()) out << "router finds the super-class of " << percent(e.router_accuracy) << "\n";
  for (size_t i = 0; i < e.expert_load.size(); ++i) {
    out << "  expert " << i << ": " << e.expert_load[i] << " images"
        << (model.experts.empty() ? "" : "  (" + model.experts[i] + ")") << '\n';
  }
}

/// A field of RFC 4180.
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

/// Rows are true classes, columns predictions.
std::string confusion_table(const Evaluation& e, const std::vector<std::string>& classes) {
  std::string text = "true class";
  for (const std::string& name : classes) text += "," + csv_field(name);
  text += '\n';
  for (size_t row = 0; row < classes.size(); ++row) {
    text += csv_field(classes[row]);
    for (size_t i = 0; i < classes.size(); ++i)
      text += "," + std::to_string(static_cast<int64_t>(e.confusion[row * classes.size() + i]));
    text += '\n';
  }
  return text;
}

}  // namespace

ExitCode eval_command(Arguments arguments, Streams& streams) {
  EvalOptions options;
  Flags flags({"eval", "Measures how good a model is on labelled images that it was not trained on.",
               "vmoe eval runs/first/best.safetensors synthetic --split test"});
  flags.argument("MODEL", options.model, "a model file, or the folder of a run (its best model)");
  flags.argument("DATA", options.data, "the data set that the model was trained on");
  flags.group("Data");
  flags.choice("split", options.split, {"test", "train", "holdout"},
               "the last two as the model file divides them");
  add_data_flags(flags, options.format, options.labels);
  flags.group("Run");
  flags.text("confusion", options.confusion, "FILE",
             "writes the confusion matrix as CSV, rows are true classes");
  add_json_flag(flags, options.json);
  add_machine_flags(flags, options.machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  options.machine.prepare(streams);
  const LoadedModel loaded = load_model(model_path(options.model));
  const ModelDescription& model = loaded.description;
  const auto dataset =
      open_dataset_of(model, options.data, {.format = options.format, .labels = options.labels});
  ImageChoice choice = choose_images(*dataset, model, options.split);
  const EvaluationImages images(*dataset, choice.split, std::move(choice.indices), model.preprocess);
  std::optional<AtomicFile> table;
  if (!options.confusion.empty()) table.emplace(options.confusion);  // fails now rather than after the work
  auto inference = Inference::taking_weights(*loaded.model, options.machine.threads);
  const Evaluation evaluation =
      evaluate(*loaded.model, inference, images, table ? Confusion::hard : Confusion::none);
  if (table) {
    table->write(confusion_table(evaluation, model.classes));
    table->commit();
  }
  if (options.json) {
    print_json(streams.out, to_json(evaluation, options));
  } else {
    print(streams.out, evaluation, model, options.split);
  }
  return ExitCode::done;
}

}  // namespace vmoe
