// vmoe routes: which images, or tokens, go to which expert.

#include "train/routes.h"

#include <algorithm>
#include <optional>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/model_on_data.h"
#include "cli/output.h"
#include "cli/output_files.h"
#include "train/atomic_file.h"
#include "train/routing_report.h"

namespace vmoe {
namespace {

struct RoutesCommand {
  ModelOnData on;
  std::string csv;
  int top = 4;
  Machine machine;
  bool json = false;
};

std::string name_of_expert(const ModelDescription& model, size_t e) {
  return model.experts.empty() ? "" : model.experts[e];
}

double share(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

Json to_json(const ExpertRoutes& expert, size_t index, int64_t units, const ModelDescription& model) {
  Json classes = Json::array();
  for (const auto& [label, count] : expert.classes)
    classes.push_back({{"class", model.classes[static_cast<size_t>(label)]},
                       {"index", label},
                       {"units", count},
                       {"share", share(count, expert.units)}});
  return {{"index", index},          {"name", name_of_expert(model, index)},
          {"units", expert.units},   {"share", share(expert.units, units)},
          {"purity", expert.purity}, {"classes", classes}};
}

Json decision_to_json(const Routes& routes, size_t i, const ModelDescription& model) {
  Json list = Json::array();
  const int64_t units = routes.routing.decisions[i].units();
  const auto experts = by_expert(routes, i, model.config.moe.super_classes);
  for (size_t e = 0; e < experts.size(); ++e) list.push_back(to_json(experts[e], e, units, model));
  return {{"block", routes.routing.blocks[i]},
          {"explained_by_class", explained_by_class(routes, i)},
          {"experts", list}};
}

Json to_json(const Routes& routes, const ModelDescription& model, const RoutesCommand& command) {
  Json json = json_result();
  json["split"] = command.on.split;
  json["n"] = routes.size();
  json["unit"] = name_of(routes.routing.unit);
  json["experts_per_unit"] = routes.per_unit;
  json["router_accuracy"] =
      model.config.moe.super_classes.empty() ? Json(nullptr) : Json(routes.router_accuracy);
  json["routing"] = routing_record(routes.routing);
  json["blocks"] = Json::array();
  for (size_t i = 0; i < routes.routing.decisions.size(); ++i)
    json["blocks"].push_back(decision_to_json(routes, i, model));
  return json;
}

/// "expert 2: 104 images (10.4 %), purity 81.7 %: oak 12.5 %, maple 11.5 %, ... 7 more  (trees)"
void print_expert(std::ostream& out, size_t e, const ExpertRoutes& expert, Unit unit, int64_t units,
                  const ModelDescription& model, int top) {
  out << "  expert " << e << ": " << expert.units << ' ' << name_of(unit) << 's';
  if (expert.units > 0) {
    out << " (" << percent(share(expert.units, units), 1) << "), purity " << percent(expert.purity, 1)
        << ": ";
    const size_t shown = std::min(expert.classes.size(), static_cast<size_t>(top));
    for (size_t i = 0; i < shown; ++i) {
      out << (i > 0 ? ", " : "") << model.classes[static_cast<size_t>(expert.classes[i].label)] << ' '
          << percent(share(expert.classes[i].units, expert.units), 1);
    }
    if (shown < expert.classes.size()) out << ", ... " << expert.classes.size() - shown << " more";
  }
  const std::string name = name_of_expert(model, e);
  out << (name.empty() ? "" : "  (" + name + ")") << '\n';
}

void print_decision(std::ostream& out, const Routes& routes, size_t i, const ModelDescription& model,
                    int top) {
  const RoutingStatistics& s = routes.routing.decisions[i];
  out << "  load: entropy " << fixed(s.load_entropy(), 3) << " (1: even), cv2 " << fixed(s.cv2_load(), 3)
      << " (0: even), largest " << fixed(1 + s.max_violation(), 2) << " times the mean\n"
      << "  choice: entropy " << fixed(s.entropy(), 3) << " (0: sure), margin " << fixed(s.margin(), 3)
      << " (1: sure), gate " << fixed(s.gate(), 3) << "; " << percent(explained_by_class(routes, i), 1)
      << " of it explained by the class\n";
  const auto experts = by_expert(routes, i, model.config.moe.super_classes);
  for (size_t e = 0; e < experts.size(); ++e)
    print_expert(out, e, experts[e], routes.routing.unit, s.units(), model, top);
}

void print(std::ostream& out, const Routes& routes, const ModelDescription& model,
           const RoutesCommand& command) {
  const bool tokens = routes.routing.unit == Unit::token;
  out << routes.size() << " images (" << command.on.split << "), " << (tokens ? "every token" : "each")
      << " to " << routes.per_unit << " of " << routes.experts << " experts";
  if (tokens) out << " in each block with experts";
  if (!model.config.moe.super_classes.empty())
    out << "; the router finds the super-class of " << percent(routes.router_accuracy);
  out << '\n';
  for (size_t i = 0; i < routes.routing.decisions.size(); ++i) {
    if (tokens) out << "block " << routes.routing.blocks[i] << '\n';
    print_decision(out, routes, i, model, command.top);
  }
}

/// A row an image: its number in the data's split, its class, and its experts, largest gate first.
std::string csv_of(const Routes& routes, const EvaluationImages& images, const ModelDescription& model) {
  std::string text = "index,label";
  for (int j = 1; j <= routes.per_unit; ++j) {
    const std::string number = std::to_string(j);
    text += ",expert_" + number + ",gate_" + number;
  }
  text += '\n';
  const auto k = static_cast<size_t>(routes.per_unit);
  for (size_t i = 0; i < routes.labels.size(); ++i) {
    text += std::to_string(images.image_index(static_cast<int64_t>(i))) + "," +
            csv_field(model.classes[static_cast<size_t>(routes.labels[i])]);
    for (size_t j = 0; j < k; ++j) {
      const Routes::Choice& choice = routes.choices[i * k + j];
      text += "," + std::to_string(choice.expert) + "," + fixed(choice.gate, 6);
    }
    text += '\n';
  }
  return text;
}

}  // namespace

ExitCode routes_command(Arguments arguments, Streams& streams) {
  RoutesCommand command;
  Flags flags({"routes", "Says which images, or tokens, a mixture's router sends to which expert.",
               "vmoe routes runs/moe synthetic --csv routes.csv"});
  add_model_on_data(flags, command.on);
  flags.group("Output");
  flags.add("top", command.top, at_least(1), "classes to show of each expert");
  flags.text("csv", command.csv, "FILE", "writes image by image: index, label, experts and gates");
  add_json_flag(flags, command.json);
  add_machine_flags(flags, command.machine);
  flags.note("load", "of the experts: entropy by log E, squared variation (cv2), largest share");
  flags.note("choice", "means of the router's entropy by log E, largest minus second probability, gate");
  flags.note("explained", "mutual information of expert and class, as a share of the load's entropy");
  flags.note("purity",
             "share of an expert's images (tokens) in its super-class; without any, in its largest class");
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  require_not_an_input("--csv", command.csv, {command.on.model, command.on.data});

  command.machine.prepare(streams);
  const OpenedModel opened(command.on);
  const ModelDescription& model = opened.description();
  if (!command.csv.empty() && model.config.moe.routes_tokens())
    throw UsageError("--csv: a row is an image, and this model's router decides about tokens; leave it out");
  std::optional<AtomicFile> table;
  if (!command.csv.empty()) table.emplace(command.csv);  // fails now rather than after the work
  auto inference = Inference::taking_weights(*opened.loaded.model, command.machine.threads);
  const Routes routes = find_routes(*opened.loaded.model, inference, opened.images);
  if (table) {
    table->write(csv_of(routes, opened.images, model));
    table->commit();
  }
  if (command.json) {
    print_json(streams.out, to_json(routes, model, command));
  } else {
    print(streams.out, routes, model, command);
  }
  return ExitCode::done;
}

}  // namespace vmoe
