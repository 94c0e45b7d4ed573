// vmoe superclass: which classes belong together, as a dense baseline sees it.

#include <numeric>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/model_file.h"
#include "cli/output.h"
#include "moe/super_classes.h"
#include "moe/super_classes_json.h"
#include "train/atomic_file.h"
#include "train/evaluate.h"

namespace vmoe {
namespace {

struct SuperclassOptions {
  std::string baseline, data, format = "auto", labels = "fine", output, confusion = "hard";
  int experts = 0;
  bool coarse = false, json = false;
  Machine machine;
};

Evaluation evaluate_holdout(const LoadedModel& baseline, const Dataset& dataset, Confusion confusion,
                            int threads) {
  ImageChoice choice = choose_images(dataset, baseline.description, "holdout");
  const EvaluationImages images(dataset, choice.split, std::move(choice.indices),
                                baseline.description.preprocess);
  auto inference = Inference::taking_weights(*baseline.model, threads);
  return evaluate(*baseline.model, inference, images, confusion);
}

/// The data's own coarse labels, judged by what the baseline confuses.
Clustering coarse_division(const DatasetInfo& data, std::span<const double> confusion, int experts) {
  if (data.coarse_of_class.empty()) throw UsageError("--coarse: '" + data.path + "' has no coarse labels");
  const int coarse = static_cast<int>(data.coarse_classes.size());
  if (experts != 0 && experts != coarse) {
    throw UsageError("--experts " + std::to_string(experts) + ": with --coarse it must be " +
                     std::to_string(coarse) + ", the number of coarse classes");
  }
  Clustering result{super_classes_from_coarse(data.classes, data.coarse_of_class, data.coarse_classes), {}};
  std::vector<int> without_images;
  const int classes = static_cast<int>(data.classes.size());
  const std::vector<double> graph = confusion_graph(confusion, classes, without_images);
  result.super_classes.report = judge_division(graph, result.super_classes.super_class, 0);
  return result;
}

/// Names of the classes of each super-class.
std::vector<std::vector<std::string>> members(const SuperClasses& division) {
  std::vector<std::vector<std::string>> result(static_cast<size_t>(division.experts));
  for (size_t i = 0; i < division.classes.size(); ++i) {
    result[static_cast<size_t>(division.super_class[i])].push_back(division.classes[i]);
  }
  return result;
}

Json to_json(const SuperClasses& division, const std::vector<std::string>& warnings,
             const Evaluation& evaluation, const std::string& output) {
  Json json = json_result();
  json["output"] = output;
  json["experts"] = division.experts;
  json["super_classes"] = members(division);
  json["names"] = division.names;
  json["sizes"] = division.sizes();
  if (division.report) {
    json["modularity"] = division.report->modularity;
    json["inside_share"] = division.report->inside_share;
    json["random_inside_share"] = {{"mean", division.report->random_mean},
                                   {"sd", division.report->random_sd}};
  }
  json["holdout"] = {{"n", evaluation.n}, {"top1", evaluation.top1}};
  json["warnings"] = warnings;
  return json;
}

void print(std::ostream& out, const SuperClasses& division, const Evaluation& evaluation,
           const std::string& output) {
  out << "Baseline: top-1 " << percent(evaluation.top1) << " of " << evaluation.n << " hold-out images\n";
  const auto groups = members(division);
  for (size_t e = 0; e < groups.size(); ++e) {
    out << "  super-class " << e << (division.names.empty() ? "" : " (" + division.names[e] + ")") << ":";
    for (size_t i = 0; i < groups[e].size(); ++i) out << (i > 0 ? ", " : " ") << groups[e][i];
    out << '\n';
  }
  if (division.report) {
    out << "Modularity " << fixed(division.report->modularity, 3) << "; "
        << percent(division.report->inside_share, 1)
        << " of the confusion lies inside super-classes (random divisions: "
        << percent(division.report->random_mean, 1) << " +- " << percent(division.report->random_sd, 1)
        << ")\n";
  }
  out << "Written: " << output << '\n';
}

}  // namespace

ExitCode superclass_command(Arguments arguments, Streams& streams) {
  SuperclassOptions options;
  Flags flags({"superclass",
               "Divides the classes into one group for each expert by what a dense baseline confuses.",
               "vmoe superclass runs/dense synthetic --experts 5 --output runs/super.json"});
  flags.argument("BASELINE", options.baseline,
                 "a model file, or the folder of a run, trained with a hold-out");
  flags.argument("DATA", options.data, "the data set that it was trained on; its hold-out is judged");
  flags.group("Division");
  flags.add("experts", options.experts, at_least(1), "super-classes E, none of them empty", "needed");
  flags.text("output", options.output, "FILE", "for vmoe train --super-classes FILE", "needed");
  flags.choice("confusion", options.confusion, {"hard", "soft"},
               "counts of predictions, or sums of probabilities");
  flags.toggle("coarse", options.coarse, "the data's own coarse labels instead of a clustering");
  flags.group("Data and output");
  add_data_flags(flags, options.format, options.labels);
  add_json_flag(flags, options.json);
  add_machine_flags(flags, options.machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  if (options.output.empty()) throw UsageError("--output FILE is needed: where the super-classes go");
  if (options.experts == 0 && !options.coarse)
    throw UsageError("--experts E is needed: how many super-classes");

  options.machine.prepare(streams);
  const LoadedModel baseline = load_model(model_path(options.baseline));
  const auto dataset = open_dataset_of(baseline.description, options.data,
                                       {.format = options.format, .labels = options.labels});
  const auto& classes = baseline.description.classes;
  if (options.experts > static_cast<int>(classes.size())) {
    throw UsageError("--experts " + std::to_string(options.experts) + " is more than the " +
                     std::to_string(classes.size()) + " classes of '" + options.data + "'");
  }
  AtomicFile file(options.output);  // fails now rather than after the work
  const Evaluation evaluation =
      evaluate_holdout(baseline, *dataset, options.confusion == "soft" ? Confusion::soft : Confusion::hard,
                       options.machine.threads);
  const std::vector<double>& confusion = evaluation.confusion;
  const Clustering clustering = options.coarse ? coarse_division(dataset->info(), confusion, options.experts)
                                               : cluster_classes(confusion, classes, options.experts);
  file.write(super_classes_to_json(clustering.super_classes));
  file.commit();
  for (const std::string& warning : clustering.warnings) streams.err << "warning: " << warning << '\n';
  if (options.json) {
    print_json(streams.out,
               to_json(clustering.super_classes, clustering.warnings, evaluation, options.output));
  } else {
    print(streams.out, clustering.super_classes, evaluation, options.output);
  }
  return ExitCode::done;
}

}  // namespace vmoe
