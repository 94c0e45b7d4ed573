// vmoe bench: how fast this machine trains and predicts.

#include "train/bench.h"

#include <ostream>

#include "cli/commands.h"
#include "cli/common_flags.h"
#include "cli/output.h"
#include "tensor/kernels/kernels.h"
#include "train/signature.h"
#include "train/suggest.h"

namespace vmoe {
namespace {

constexpr int64_t kTrainingBatch = 128, kInferenceBatch = 1;

void require_mode(const std::string& mode) {
  const std::vector<std::string> modes = {"train", "infer", "signature"};
  if (std::find(modes.begin(), modes.end(), mode) != modes.end()) return;
  throw UsageError("'" + printable(mode) + "' is no benchmark; it must be " + list_of(modes) +
                   did_you_mean(mode, modes));
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

double gflops(const BenchResult& r) {
  return 1e-9 * r.flops_per_image * r.images_per_second;
}

Json to_json(const BenchResult& r, const std::string& mode, const BenchOptions& options) {
  Json json = json_result();
  json["mode"] = mode;
  json["batch_size"] = options.batch_size;
  json["threads"] = options.threads;
  json["isa"] = kernels().name;
  json["images_per_second"] = r.images_per_second;
  json["p50_ms"] = r.p50_ms;
  json["p95_ms"] = r.p95_ms;
  json["min_ms"] = r.min_ms;
  json["peak_rss_mb"] = r.peak_rss_mb;
  json["flops_per_image"] = r.flops_per_image;
  json["gflops"] = gflops(r);
  json["steps"] = r.steps;
  json["config"] = to_json(options.model);
  return json;
}

void print(std::ostream& out, const BenchResult& r, const std::string& mode, const BenchOptions& options) {
  out << mode << ", batch " << options.batch_size << ", " << options.threads << " threads, " << kernels().name
      << ": " << fixed(r.images_per_second, 1) << " img/s, p50 " << fixed(r.p50_ms, 2) << " ms, p95 "
      << fixed(r.p95_ms, 2) << " ms, " << fixed(gflops(r), 1) << " GFLOP/s, peak memory "
      << fixed(r.peak_rss_mb, 0) << " MiB (" << r.steps << " steps)\n";
}

}  // namespace

ExitCode bench_command(Arguments arguments, Streams& streams) {
  std::string mode, routing = "even";
  BenchOptions options;
  options.batch_size = 0;
  ModelFlags model;
  Machine machine;
  bool json = false;
  Flags flags({"bench", "Measures images per second on random images, with the trainer's own step.",
               "vmoe bench train --model cifar192 --batch-size 128 --threads 2"});
  flags.argument("MODE", mode,
                 "train, infer, or signature: a hash of a tiny training run, the same on every machine");
  add_model_flags(flags, model, "cifar128");
  flags.choice("routing", routing, {"even", "learned"},
               "an untrained router would send all images to a few experts");
  flags.group("Run");
  flags.add("batch-size", options.batch_size, between(1, 1 << 20), "images in a step", "train 128, infer 1");
  flags.add("seconds", options.seconds, between(0, 3600), "measured time, at least five steps");
  flags.add("lanes", options.lanes, between(1, 4096), "parts of a batch; they fix the order of sums");
  add_json_flag(flags, json);
  add_machine_flags(flags, machine);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  require_mode(mode);
  machine.prepare(streams);
  if (mode == "signature") {
    print_signature(streams.out, json);
    return ExitCode::done;
  }
  const bool training = mode == "train";
  options.model = model_from_flags(model);
  options.threads = machine.threads;
  options.learned_routing = routing == "learned";
  if (options.batch_size == 0) options.batch_size = training ? kTrainingBatch : kInferenceBatch;
  const BenchResult result = training ? bench_training(options) : bench_inference(options);
  if (json) {
    print_json(streams.out, to_json(result, mode, options));
  } else {
    print(streams.out, result, mode, options);
  }
  return ExitCode::done;
}

}  // namespace vmoe
