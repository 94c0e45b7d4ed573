// vmoe eval: how good a model is.

#include <optional>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/model_on_data.h"
#include "cli/output.h"
#include "cli/output_files.h"
#include "tensor/kernels/narrow.h"
#include "train/atomic_file.h"
#include "train/evaluate.h"
#include "train/routing_report.h"

namespace vmoe {
namespace {

struct EvalOptions {
  ModelOnData on;
  std::string confusion, precision = "fp32";
  Machine machine;
  bool json = false;
};

/// The figures at the precision asked for and, if that is another, in fp32.
struct Figures {
  Precision precision = Precision::fp32;
  Evaluation evaluation;
  std::optional<Evaluation> fp32;
};

// fp32 first: the other takes the model's weights with it.
Figures measure(Model& model, const EvaluationImages& images, Precision precision, int threads,
                Confusion confusion) {
  Figures figures;
  figures.precision = precision;
  if (precision != Precision::fp32) {
    Inference full(model, threads);
    figures.fp32 = evaluate(model, full, images, Confusion::none);
  }
  auto inference = Inference::taking_weights(model, threads, precision);
  figures.evaluation = evaluate(model, inference, images, confusion);
  return figures;
}

/// `taught`: the router has super-classes to find.
Json to_json(const Figures& figures, bool taught, const EvalOptions& options) {
  const Evaluation& e = figures.evaluation;
  Json json = json_result();
  json["split"] = options.on.split;
  json["n"] = e.n;
  json["top1"] = e.top1;
  json["top5"] = e.top5;
  json["loss"] = e.loss;
  json["images_per_second"] = static_cast<double>(e.n) / e.seconds;
  json["seconds"] = e.seconds;
  json["precision"] = name_of(figures.precision);
  if (figures.fp32) {
    json["fp32"] = {{"top1", figures.fp32->top1},
                    {"top5", figures.fp32->top5},
                    {"loss", figures.fp32->loss},
                    {"images_per_second", static_cast<double>(e.n) / figures.fp32->seconds}};
    json["top1_difference"] = e.top1 - figures.fp32->top1;
  }
  if (!e.routing.decisions.empty()) {
    json["router_accuracy"] = taught ? Json(e.router_accuracy) : Json(nullptr);
    json["expert_load"] =
        by_decision(e.routing, [&](size_t i) { return e.routing.decisions[i].sums().kept; });
    json["routing"] = routing_record(e.routing);
  }
  return json;
}

/// "-0.12": percentage points.
std::string points(double difference) {
  return (difference < 0 ? "" : "+") + fixed(1e2 * difference, 2);
}

/// "int8 instead of fp32: top-1 -0.03 points, top-5 ..., 1.70 times as fast"
void print_difference(std::ostream& out, const Figures& figures) {
  const Evaluation &e = figures.evaluation, &full = *figures.fp32;
  out << name_of(figures.precision) << " instead of fp32: top-1 " << points(e.top1 - full.top1)
      << " points, top-5 " << points(e.top5 - full.top5) << ", loss " << (e.loss < full.loss ? "" : "+")
      << fixed(e.loss - full.loss, 4) << ", " << fixed(full.seconds / e.seconds, 2) << " times as fast\n";
}

/// "  expert 2: 104 images, 10.4 %  (trees)"
void print_experts(std::ostream& out, const RoutingStatistics& decision, Unit unit,
                   const std::vector<std::string>& names) {
  for (int e = 0; e < decision.experts(); ++e) {
    out << "  expert " << e << ": " << decision.units_of(e) << ' ' << name_of(unit) << "s, "
        << percent(decision.load(e), 1) << (names.empty() ? "" : "  (" + names[static_cast<size_t>(e)] + ")")
        << '\n';
  }
}

void print(std::ostream& out, const Figures& figures, const ModelDescription& model,
           const std::string& split) {
  const Evaluation& e = figures.evaluation;
  out << e.n << " images (" << split << "): top-1 " << percent(e.top1) << ", top-5 " << percent(e.top5)
      << ", loss " << fixed(e.loss, 4) << ", " << fixed(static_cast<double>(e.n) / e.seconds, 0)
      << " img/s\n";
  if (figures.fp32) print_difference(out, figures);
  if (!model.experts.empty()) out << "router finds the super-class of " << percent(e.router_accuracy) << "\n";
  for (size_t i = 0; i < e.routing.decisions.size(); ++i) {
    if (e.routing.unit == Unit::token) out << "block " << e.routing.blocks[i] << '\n';
    print_experts(out, e.routing.decisions[i], e.routing.unit, model.experts);
  }
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
  add_model_on_data(flags, options.on);
  flags.group("Run");
  flags.text("confusion", options.confusion, "FILE",
             "writes the confusion matrix as CSV, rows are true classes");
  add_precision_flag(flags, options.precision);
  add_json_flag(flags, options.json);
  add_machine_flags(flags, options.machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  require_not_an_input("--confusion", options.confusion, {options.on.model, options.on.data});

  options.machine.prepare(streams);
  const Precision precision = find_precision(options.precision);
  const OpenedModel opened(options.on);
  const ModelDescription& model = opened.description();
  std::optional<AtomicFile> table;
  if (!options.confusion.empty()) table.emplace(options.confusion);  // fails now rather than after the work
  const Figures figures = measure(*opened.loaded.model, opened.images, precision, options.machine.threads,
                                  table ? Confusion::hard : Confusion::none);
  if (table) {
    table->write(confusion_table(figures.evaluation, model.classes));
    table->commit();
  }
  if (options.json) {
    print_json(streams.out, to_json(figures, !model.config.moe.super_classes.empty(), options));
  } else {
    print(streams.out, figures, model, options.on.split);
  }
  return ExitCode::done;
}

}  // namespace vmoe
