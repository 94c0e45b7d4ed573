// vmoe upcycle: a mixture of experts from a trained dense model.

#include "moe/upcycle.h"

#include <filesystem>
#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "cli/output_files.h"
#include "moe/layers.h"
#include "train/atomic_file.h"
#include "train/division.h"
#include "train/model_file.h"

namespace vmoe {
namespace {

namespace fs = std::filesystem;

struct UpcycleCommand {
  std::string baseline, output, super_classes;
  ModelFlags model;
  UpcycleOptions upcycle;
  bool json = false;
};

/// The dense model's description with experts in it.
ModelDescription describe_mixture(const ModelDescription& dense, const UpcycleCommand& command) {
  if (!dense.config.moe.is_dense()) {
    throw InputError("'" + command.baseline + "' has experts already; upcycling starts from a dense model");
  }
  ModelDescription d = dense;
  ModelFlags flags = command.model;
  SuperClasses division;
  if (!command.super_classes.empty()) {
    division = read_division(command.super_classes, d.classes, flags.experts.value_or(0));
    flags.experts = division.experts;
    if (!flags.balance_weight) flags.balance_weight = 0;
  }
  if (!flags.experts) throw UsageError("--experts E is needed (or --super-classes FILE, which says it)");
  d.config.moe = mixture_from_flags(flags);
  if (division.experts > 0) give_division(d, division);
  validate(d.config, "upcycle");
  return d;
}

/// --output: itself if it is called like a file, else best.safetensors in it, so that the folder is as good
/// as a run's for other commands. A run's or a model's own folder is not written into.
std::string output_file(const std::string& output) {
  const fs::path path = output;
  if (path.extension() == ".safetensors") return output;
  std::error_code error;
  fs::create_directories(path, error);
  if (error || !fs::is_directory(path, error))
    throw IoError("cannot make the output folder '" + output + "'; a file's name must end in .safetensors");
  for (const char* name : kModelNames) {
    if (file_exists(path / name))
      throw UsageError("--output " + output + ": holds a model already; give another folder, or a file");
  }
  return (path / "best.safetensors").string();
}

}  // namespace

ExitCode upcycle_command(Arguments arguments, Streams& streams) {
  UpcycleCommand command;
  command.model.router = "image";
  Flags flags({"upcycle",
               "Makes a mixture of experts from a trained dense model: every expert a copy of its MLP.",
               "vmoe upcycle runs/dense --super-classes runs/super.json --output runs/start.safetensors"});
  flags.argument("BASELINE", command.baseline,
                 "a dense model's file, or the folder of a run (its best model)");
  add_mixture_flags(flags, command.model, "that of --super-classes");
  flags.text("super-classes", command.super_classes, "FILE", "what experts are for: vmoe superclass's file");
  flags.add("router-weight", command.model.router_weight, between(0, 1e6),
            "of the router's loss on super-classes", to_text(MoeConfig{}.super_class_weight));
  flags.group("Output");
  flags.text("output", command.output, "FILE|DIR", "for vmoe train --init; in a folder, best.safetensors",
             "needed");
  flags.add("perturb", command.upcycle.perturb, between(0, 10),
            "normal noise on experts' weights, relative to their root mean square");
  flags.add("seed", command.upcycle.seed, at_least(0), "of the router's start values and of the noise");
  add_json_flag(flags, command.json);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  if (command.output.empty()) throw UsageError("--output FILE|DIR is needed: where the mixture goes");

  const LoadedModel dense = load_model(model_path(command.baseline));
  const ModelDescription description = describe_mixture(dense.description, command);
  const std::string path = output_file(command.output);
  require_not_an_input("--output", path, {command.baseline, command.super_classes});
  Model mixture(description.config);
  upcycle(*dense.model, mixture, command.upcycle);
  save_model(path, mixture, mixture.parameters().data(), description);

  const ModelSize size = size_of(description.config);
  if (command.json) {
    Json json = json_result();
    json["output"] = path;
    json["params"] = size.params;
    json["active_params"] = size.active_params;
    json["flops"] = size.flops;
    json["config"] = to_json(description.config);
    print_json(streams.out, json);
  } else {
    streams.out << description.config.moe.experts << " experts in each of "
                << description.config.moe_blocks().size() << " blocks, "
                << with_unit(static_cast<double>(size.params)) << " parameters ("
                << with_unit(static_cast<double>(size.active_params)) << " active); written: " << path
                << '\n';
  }
  return ExitCode::done;
}

}  // namespace vmoe
