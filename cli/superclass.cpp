// vmoe superclass: which classes belong together, as a dense baseline sees it.

#include <filesystem>
#include <optional>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "cli/output_files.h"
#include "data/write_png.h"
#include "moe/super_classes.h"
#include "moe/super_classes_json.h"
#include "train/atomic_file.h"
#include "train/confusion_picture.h"
#include "train/division.h"
#include "train/evaluate.h"
#include "train/model_file.h"

namespace vmoe {
namespace {

struct SuperclassOptions {
  std::string baseline, data, format = "auto", labels = "fine", output, picture, confusion = "hard", from;
  std::optional<std::string> method;
  int experts = 0, max_size = 0;  // max_size 0: no cap
  uint64_t seed = 0;
  bool coarse = false, random = false, json = false;
  Machine machine;
};

Evaluation evaluate_holdout(const LoadedModel& baseline, const Dataset& dataset, Confusion confusion,
                            int threads) {
  const EvaluationImages images = images_of(dataset, baseline.description, "holdout");
  auto inference = Inference::taking_weights(*baseline.model, threads);
  return evaluate(*baseline.model, inference, images, confusion);
}

/// The division that is given and not found: the data's own, or a file's.
std::optional<SuperClasses> given_division(const SuperclassOptions& options, const DatasetInfo& data) {
  if (!options.from.empty()) {
    SuperClasses division = read_division(options.from, data.classes, options.experts);
    division.classes = data.classes;
    return division;
  }
  if (options.coarse) return coarse_division("--coarse", data, options.experts);
  return {};
}

Clustering divide(const SuperclassOptions& options, const std::optional<SuperClasses>& given,
                  const std::vector<std::string>& classes, std::span<const double> confusion) {
  const auto method =
      options.method == "agglomerative" ? ClusterMethod::agglomerative : ClusterMethod::spectral;
  SuperClasses division =
      given ? *given
            : cluster_classes(confusion, classes, options.experts, method, options.seed).super_classes;
  if (options.max_size > 0) division = cap_by_confusion(std::move(division), confusion, options.max_size);
  if (options.random) division = random_division(division, options.seed);
  return judged(std::move(division), confusion, options.seed);
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
             const Evaluation& evaluation, const SuperclassOptions& options) {
  Json json = json_result();
  json["output"] = options.output;
  json["picture"] = options.picture;
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
           const SuperclassOptions& options) {
  out << "Baseline: top-1 " << percent(evaluation.top1) << " of " << evaluation.n << " hold-out images\n";
  const auto groups = members(division);
  for (size_t e = 0; e < groups.size(); ++e) {
    out << "  super-class " << e << (division.names.empty() ? "" : ", " + division.names[e]) << " ("
        << groups[e].size() << "):";
    for (size_t i = 0; i < groups[e].size(); ++i) out << (i > 0 ? ", " : " ") << groups[e][i];
    out << '\n';
  }
  if (division.report) {
    out << "Modularity " << fixed(division.report->modularity, 3) << "; "
        << percent(division.report->inside_share, 1)
        << " of the confusion lies inside super-classes (100 random divisions: "
        << percent(division.report->random_mean, 1) << " +- " << percent(division.report->random_sd, 1)
        << ")\n";
  }
  out << "Written: " << options.output << ", and the confusion matrix in this order: " << options.picture
      << '\n';
}

/// Checks what flags say together, and fills in what they leave open.
void settle(SuperclassOptions& options) {
  if (options.coarse && !options.from.empty())
    throw UsageError("--coarse and --from " + options.from + " are two divisions; give one of them");
  const bool given = options.coarse || !options.from.empty();
  if (given && options.method)
    throw UsageError("--method " + *options.method + ": the division of " +
                     (options.coarse ? "--coarse" : "--from") +
                     " is not a clustering; leave one of them out");
  if (options.output.empty()) throw UsageError("--output FILE is needed: where the super-classes go");
  if (options.experts == 0 && !given) throw UsageError("--experts E is needed: how many super-classes");
  if (options.picture.empty())
    options.picture = std::filesystem::path(options.output).replace_extension(".png").string();
  if (same_file(options.picture, options.output))
    throw UsageError("--output " + options.output + ": the picture has this name, too; give --picture FILE");
  const std::vector<std::string> inputs = {options.baseline, options.data, options.from};
  require_not_an_input("--output", options.output, inputs);
  require_not_an_input("--picture", options.picture, inputs);
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
  flags.group("Division", "a clustering, unless one is given");
  flags.add("experts", options.experts, at_least(1), "super-classes E, none of them empty", "needed");
  flags.choice("method", options.method, {"spectral", "agglomerative"},
               "eigenvectors of the confusion, or its mean [spectral]");
  flags.choice("confusion", options.confusion, {"hard", "soft"},
               "counts of predictions, or sums of probabilities");
  flags.toggle("coarse", options.coarse, "the data's own coarse labels are the division");
  flags.text("from", options.from, "FILE", "a division made before: it is judged and written again");
  flags.add("max-size", options.max_size, at_least(1),
            "classes in a super-class; those that lose least move to others", "any");
  flags.toggle("random", options.random, "the control: classes drawn at random, sizes of the division");
  flags.add("seed", options.seed, at_least(0), "of clustering and random divisions");
  flags.group("Data and output");
  flags.text("output", options.output, "FILE", "for vmoe train --super-classes FILE", "needed");
  flags.text("picture", options.picture, "FILE", "PNG of the confusion matrix, by super-classes",
             "--output with .png");
  add_data_flags(flags, options.format, options.labels);
  add_json_flag(flags, options.json);
  add_machine_flags(flags, options.machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  settle(options);

  options.machine.prepare(streams);
  const LoadedModel baseline = load_model(model_path(options.baseline));
  const auto dataset = open_dataset_of(baseline.description, options.data,
                                       {.format = options.format, .labels = options.labels});
  const auto& classes = baseline.description.classes;
  if (options.experts > static_cast<int>(classes.size())) {
    throw UsageError("--experts " + std::to_string(options.experts) + " is more than the " +
                     std::to_string(classes.size()) + " classes of '" + options.data + "'");
  }
  const std::optional<SuperClasses> given = given_division(options, dataset->info());
  if (options.max_size > 0) {
    require_room(static_cast<int>(classes.size()), given ? given->experts : options.experts,
                 options.max_size);
  }
  AtomicFile file(options.output), picture(options.picture);  // fail now rather than after the work
  const Evaluation evaluation =
      evaluate_holdout(baseline, *dataset, options.confusion == "soft" ? Confusion::soft : Confusion::hard,
                       options.machine.threads);
  const std::vector<double>& confusion = evaluation.confusion;
  const Clustering clustering = divide(options, given, classes, confusion);
  picture.write(encode_png(draw_confusion(confusion, clustering.super_classes).view()));
  picture.commit();
  file.write(super_classes_to_json(clustering.super_classes));
  file.commit();
  for (const std::string& warning : clustering.warnings) warn(streams.err, warning);
  if (options.json) {
    print_json(streams.out, to_json(clustering.super_classes, clustering.warnings, evaluation, options));
  } else {
    print(streams.out, clustering.super_classes, evaluation, options);
  }
  return ExitCode::done;
}

}  // namespace vmoe
