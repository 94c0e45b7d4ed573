// vmoe bench: how fast this machine trains and predicts, and why not faster.

#include <algorithm>
#include <ostream>

#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "train/signature.h"
#include "train/suggest.h"

namespace vmoe {
namespace {

constexpr int64_t kTrainingBatch = 128, kInferenceBatch = 1;

void require_mode(const std::string& mode) {
  const std::vector<std::string> modes = {"train", "infer", "gemm", "signature"};
  if (std::find(modes.begin(), modes.end(), mode) != modes.end()) return;
  throw UsageError("'" + printable(mode) + "' is no benchmark; it must be " + list_of(modes) +
                   did_you_mean(mode, modes));
}

/// What a mode would pass over is refused, so that nobody takes its figures for those of other flags.
void refuse_what_has_no_effect(const Flags& flags, const std::string& mode) {
  if (mode == "signature") {
    for (std::string given :
         {flags.first_given("Model"), flags.first_given("Mixture of experts"),
          flags.first_given_of({"batch-size", "seconds", "rounds", "breakdown", "lanes", "precision"})}) {
      if (!given.empty())
        throw UsageError(given +
                         " has no effect on the signature, which is that of one fixed run; leave it out");
    }
  }
  const std::string given = flags.first_given_of({"routing", "breakdown", "precision"});
  if (mode == "gemm" && !given.empty()) throw UsageError(given + " goes with train and infer, not with gemm");
  if (mode != "train" && !flags.first_given_of({"lanes"}).empty())
    throw UsageError("--lanes goes with train, not with " + mode);
}

void print_signature(std::ostream& out, bool json) {
  if (!json) {
    out << signature() << '\n';
    return;
  }
  Json object = json_result();
  object["signature"] = signature();
  print_json(out, object);
}

template <class... Report>
void show(std::ostream& out, bool json, const Report&... report) {
  if (json) {
    print_json(out, to_json(report...));
  } else {
    print(out, report...);
  }
}

}  // namespace

ExitCode bench_command(Arguments arguments, Streams& streams) {
  std::string mode, routing = "even", precision = "fp32";
  BenchOptions options;
  options.batch_size = 0;
  ModelFlags model;
  Machine machine;
  bool json = false;
  Flags flags(
      {"bench", "Measures images per second on random images, with the trainer's own step.",
       "vmoe bench train --model cifar192 --batch-size 128 --threads 2\n"
       "  vmoe bench infer --model cifar192 --batch-size 1 --breakdown    where the time of an image goes\n"
       "  vmoe bench gemm --model cifar192 --threads 1                    its products one by one"});
  flags.argument(
      "MODE", mode,
      "train, infer; gemm: the model's products, own kernels and OpenBLAS; signature: a hash of a tiny "
      "training run, the same on every machine");
  add_model_flags(flags, model, "cifar128", "needed with --router");
  flags.choice("routing", routing, {"even", "learned"},
               "an untrained router would send all images to a few experts");
  flags.group("Run");
  flags.add("batch-size", options.batch_size, between(1, 1 << 20), "images in a step, or in a product",
            "train 128, infer 1, gemm as in training");
  flags.add("seconds", options.seconds, between(0, 3600), "measured time of all rounds, at least five steps");
  flags.add("rounds", options.rounds, between(1, 1000), "parts of it; before each, the peak is measured");
  flags.toggle("breakdown", options.breakdown, "time by kernel: packing, products by purpose, gelu, ...");
  flags.add("lanes", options.lanes, between(1, 4096), "parts of a batch; they fix the order of sums");
  add_precision_flag(flags, precision);
  add_json_flag(flags, json);
  add_machine_flags(flags, machine);
  flags.note("img/s", "batch over median step: median (least to most) of the rounds");
  flags.note("p50, p95", "time of a step, of all rounds");
  flags.note("GFLOP/s", "products only; training counts three forward passes");
  flags.note("peak", "multiply-adds on registers, as many threads, measured between the rounds");
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  require_mode(mode);
  refuse_what_has_no_effect(flags, mode);
  if (mode == "gemm" && machine.threads == 0) machine.threads = 1;
  machine.prepare(streams);
  if (mode == "signature") {
    print_signature(streams.out, json);
    return ExitCode::done;
  }
  const bool training = mode == "train";
  options.precision = training ? find_training_precision(precision) : find_precision(precision);
  options.model = model_from_flags(model);
  options.threads = machine.threads;
  options.learned_routing = routing == "learned";
  if (mode == "gemm") {
    const GemmOptions gemm{options.model, options.batch_size, options.threads, options.seconds,
                           options.rounds};
    show(streams.out, json, bench_gemm(gemm), gemm);
    return ExitCode::done;
  }
  if (options.batch_size == 0) options.batch_size = training ? kTrainingBatch : kInferenceBatch;
  show(streams.out, json, training ? bench_training(options) : bench_inference(options), mode, options);
  return ExitCode::done;
}

}  // namespace vmoe
