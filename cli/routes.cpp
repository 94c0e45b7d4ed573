// vmoe routes: which images go to which expert.

#include "train/routes.h"

#include <algorithm>
#include <optional>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/model_on_data.h"
#include "cli/output.h"
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

Json to_json(const Routes& routes, const std::vector<ExpertRoutes>& experts, const ModelDescription& model,
             const RoutesCommand& command) {
  Json json = json_result();
  json["split"] = command.on.split;
  json["n"] = routes.size();
  json["experts_per_image"] = routes.per_image;
  json["router_accuracy"] =
      model.config.moe.super_classes.empty() ? Json(nullptr) : Json(routes.router_accuracy);
  json["routing"] = routing_record(routes.statistics);
  json["experts"] = Json::array();
  for (size_t e = 0; e < experts.size(); ++e) {
    Json classes = Json::array();
    for (const auto& [label, images] : experts[e].classes)
      classes.push_back({{"class", model.classes[static_cast<size_t>(label)]},
                         {"index", label},
                         {"images", images},
                         {"share", share(images, experts[e].images)}});
    json["experts"].push_back({{"index", e},
                               {"name", name_of_expert(model, e)},
                               {"images", experts[e].images},
                               {"share", share(experts[e].images, routes.size())},
                               {"purity", experts[e].purity},
                               {"classes", classes}});
  }
  return json;
}

/// "expert 2: 104 images (10.4 %), purity 81.7 %: oak 12.5 %, maple 11.5 %, ... 7 more  (trees)"
void print_expert(std::ostream& out, size_t e, const ExpertRoutes& expert, const Routes& routes,
                  const ModelDescription& model, int top) {
  out << "  expert " << e << ": " << expert.images << " images";
  if (expert.images > 0) {
    out << " (" << percent(share(expert.images, routes.size()), 1) << "), purity "
        << percent(expert.purity, 1) << ": ";
    const size_t shown = std::min(expert.classes.size(), static_cast<size_t>(top));
    for (size_t i = 0; i < shown; ++i) {
      out << (i > 0 ? ", " : "") << model.classes[static_cast<size_t>(expert.classes[i].label)] << ' '
          << percent(share(expert.classes[i].images, expert.images), 1);
    }
    if (shown < expert.classes.size()) out << ", ... " << expert.classes.size() - shown << " more";
  }
  const std::string name = name_of_expert(model, e);
  out << (name.empty() ? "" : "  (" + name + ")") << '\n';
}

void print(std::ostream& out, const Routes& routes, const std::vector<ExpertRoutes>& experts,
           const ModelDescription& model, const RoutesCommand& command) {
  const RoutingStatistics& s = routes.statistics;
  out << routes.size() << " images (" << command.on.split << "), each to " << routes.per_image << " of "
      << routes.experts << " experts";
  if (!model.config.moe.super_classes.empty())
    out << "; the router finds the super-class of " << percent(routes.router_accuracy);
  out << "\nEntropy of the load " << fixed(s.load_entropy(), 3) << " (1: even), of an image's distribution "
      << fixed(s.entropy(), 3) << " (0: sure); mean gate " << fixed(s.gate(), 3) << '\n';
  for (size_t e = 0; e < experts.size(); ++e) print_expert(out, e, experts[e], routes, model, command.top);
}

/// A row an image: its number in the data's split, its class, and its experts, largest gate first.
std::string csv_of(const Routes& routes, const EvaluationImages& images, const ModelDescription& model) {
  std::string text = "index,label";
  for (int j = 1; j <= routes.per_image; ++j) {
    const std::string number = std::to_string(j);
    text += ",expert_" + number + ",gate_" + number;
  }
  text += '\n';
  const auto k = static_cast<size_t>(routes.per_image);
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
  Flags flags({"routes", "Says which images a mixture's router sends to which expert.",
               "vmoe routes runs/moe synthetic --csv routes.csv"});
  add_model_on_data(flags, command.on);
  flags.group("Output");
  flags.add("top", command.top, at_least(1), "classes to show of each expert");
  flags.text("csv", command.csv, "FILE", "writes image by image: index, label, experts and gates");
  add_json_flag(flags, command.json);
  add_machine_flags(flags, command.machine);
  flags.note("purity", "share of an expert's images in its super-class; without any, in its largest class");
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  command.machine.prepare(streams);
  const OpenedModel opened(command.on);
  const ModelDescription& model = opened.description();
  std::optional<AtomicFile> table;
  if (!command.csv.empty()) table.emplace(command.csv);  // fails now rather than after the work
  auto inference = Inference::taking_weights(*opened.loaded.model, command.machine.threads);
  const Routes routes = find_routes(*opened.loaded.model, inference, opened.images);
  const std::vector<ExpertRoutes> experts = by_expert(routes, model.config.moe.super_classes);
  if (table) {
    table->write(csv_of(routes, opened.images, model));
    table->commit();
  }
  if (command.json) {
    print_json(streams.out, to_json(routes, experts, model, command));
  } else {
    print(streams.out, routes, experts, model, command);
  }
  return ExitCode::done;
}

}  // namespace vmoe
