// vmoe plan: what a training run will need, before it starts.

#include <optional>
#include <ostream>
#include <set>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/train_flags.h"
#include "moe/layers.h"
#include "train/forecast.h"
#include "train/memory.h"
#include "train/model_file.h"

namespace vmoe {
namespace {

struct Answer {
  RunPlan plan;
  TrainOptions options;
  size_t available = kUnknownMemory;  // bytes, before anything was opened
  double least = 0;                   // bytes without which there is nothing to measure
  std::optional<Calibration> measured;
  RunMemory memory;

  /// The page cache makes room for the rest, so mapped files don't count.
  double needed() const { return measured ? static_cast<double>(memory.total() - memory.mapped) : least; }
  bool fits() const { return needed() <= static_cast<double>(available); }
};

std::string mebibytes(double bytes) {
  const double value = bytes / (1 << 20);
  return fixed(value, value < 10 ? 1 : 0) + " MiB";
}

struct Part {
  const char *key, *name;
  size_t bytes;
};

std::vector<Part> parts_of(const RunMemory& m, bool average) {
  return {{"program", "program and libraries", m.program},
          {"data", "images and their order", m.data},
          {"mapped", "mapped files (can be given up)", m.mapped},
          {"weights", average ? "weights and their average" : "weights", m.weights},
          {"moments", "moments of AdamW", m.moments},
          {"gradients", "gradient of the batch", m.gradients},
          {"thread_gradients", "gradients of the threads", m.thread_gradients},
          {"packed", "packed weights", m.packed},
          {"activations", "activations of the threads", m.activations},
          {"evaluation", "evaluation", m.evaluation}};
}

/// The run's own lanes, and powers of two beside them.
std::vector<int> lanes_to_show(const RunPlan& plan) {
  const int64_t pairs = (plan.step.batch_size / plan.step.accumulate + 1) / 2;
  std::set<int> lanes = {plan.step.lanes};
  for (int n = 4; n <= 64; n *= 2) lanes.insert(n);
  std::vector<int> shown;
  for (const int n : lanes) {
    if (n == plan.step.lanes || n <= pairs) shown.push_back(n);
  }
  return shown;
}

int lanes_in_use(const RunPlan& plan, int lanes) {
  const int64_t images = plan.step.batch_size / plan.step.accumulate;
  return plan_lanes(images, lanes, plan.description.config.vit.tokens()).lanes;
}

Json to_json(const Answer& a) {
  const ModelSize size = size_of(a.plan.description.config);
  const RunPlan& plan = a.plan;
  Json json = json_result();
  json["format"] = plan.dataset->info().format;
  json["training_images"] = plan.split.train.size();
  json["holdout_images"] = plan.split.holdout.size();
  json["params"] = size.params;
  json["active_params"] = size.active_params;
  json["flops_per_image"] = size.flops;
  json["routed_flops"] = size.routed_flops;
  json["moe_blocks"] = a.plan.description.config.moe_blocks();
  json["batch_size"] = plan.step.batch_size;
  json["accumulate"] = plan.step.accumulate;
  json["lanes"] = lanes_in_use(plan, plan.step.lanes);
  json["threads"] = plan.step.threads;
  json["precision"] = name_of(plan.step.precision);
  json["epochs"] = plan.epochs;
  json["steps_per_epoch"] = plan.steps_per_epoch;
  json["fits"] = a.fits();
  json["available_bytes"] = a.available == kUnknownMemory ? Json(nullptr) : Json(a.available);
  json["needed_bytes"] = static_cast<uint64_t>(a.needed());
  json["checkpoint_bytes"] = checkpoint_bytes(plan);
  json["disk_free_bytes"] = free_disk(a.options.output);
  if (!a.measured) return json;
  const Calibration& m = *a.measured;
  json["peak_bytes"] = a.memory.total();
  for (const Part& part : parts_of(a.memory, plan.adamw.ema_decay > 0)) json["memory"][part.key] = part.bytes;
  json["step_seconds"] = m.step_seconds;
  json["images_per_second"] = static_cast<double>(plan.step.batch_size) / m.step_seconds;
  json["input_share"] = m.input_share;
  json["evaluation_seconds"] = m.evaluation_seconds;
  json["epoch_seconds"] = epoch_seconds(plan, m);
  json["run_seconds"] = run_seconds(plan, m, a.options.max_steps);
  json["whole_steps"] = m.whole_steps;
  json["by_lanes"] = Json::array();
  for (const int lanes : lanes_to_show(plan)) {
    const int used = lanes_in_use(plan, lanes);
    json["by_lanes"].push_back({{"lanes", lanes},
                                {"threads_kept_busy", used},
                                {"peak_bytes", memory_of(plan, m, lanes, plan.step.threads).total()},
                                {"peak_bytes_all_busy", memory_of(plan, m, lanes, used).total()}});
  }
  return json;
}

void print_time(std::ostream& out, const Answer& a) {
  const RunPlan& plan = a.plan;
  const Calibration& m = *a.measured;
  const double epoch = epoch_seconds(plan, m);
  out << "Time: about " << duration(run_seconds(plan, m, a.options.max_steps)) << ", an epoch "
      << (epoch < 10 ? fixed(epoch, 1) + " s" : duration(epoch)) << " (" << plan.steps_per_epoch
      << " steps of " << fixed(1e3 * m.step_seconds, 0) << " ms, " << percent(m.input_share, 0)
      << " of it input; evaluation " << fixed(m.evaluation_seconds, 1) << " s), "
      << fixed(static_cast<double>(plan.step.batch_size) / m.step_seconds, 0) << " img/s\n";
}

void print_memory(std::ostream& out, const Answer& a) {
  out << "Memory: about " << mebibytes(static_cast<double>(a.memory.total())) << " at the peak";
  if (a.available != kUnknownMemory) {
    out << (a.fits() ? ", fits: " : ", does NOT fit: ") << mebibytes(static_cast<double>(a.available))
        << " are available";
  }
  out << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const Part& part : parts_of(a.memory, a.plan.adamw.ema_decay > 0))
    rows.push_back({std::string("  ") + part.name, mebibytes(static_cast<double>(part.bytes))});
  out << columns(rows);
}

void print_lanes(std::ostream& out, const Answer& a) {
  const RunPlan& plan = a.plan;
  std::vector<std::vector<std::string>> rows = {{"  lanes", "threads kept busy",
                                                 "memory on " + std::to_string(plan.step.threads),
                                                 "memory on all of them"}};
  for (const int lanes : lanes_to_show(plan)) {
    const int used = lanes_in_use(plan, lanes);
    const auto memory = [&](int threads) {
      return mebibytes(static_cast<double>(memory_of(plan, *a.measured, lanes, threads).total()));
    };
    rows.push_back({(lanes == plan.step.lanes ? "* " : "  ") + std::to_string(lanes), std::to_string(used),
                    memory(plan.step.threads), memory(used)});
  }
  out << "Lanes: they fix the order of sums, and each can keep one thread busy\n" << columns(rows);
}

void print(std::ostream& out, const Answer& a) {
  out << a.plan.summary() << '\n';
  if (a.measured) {
    print_time(out, a);
    print_memory(out, a);
  } else {
    out << "Memory: at least " << mebibytes(a.least)
        << " for weights, their packed copies, moments and gradients, does NOT fit: "
        << mebibytes(static_cast<double>(a.available)) << " are available\n";
  }
  out << "Disk: at most " << mebibytes(static_cast<double>(checkpoint_bytes(a.plan)))
      << " for checkpoints in " << a.options.output << ", "
      << mebibytes(static_cast<double>(free_disk(a.options.output))) << " are free\n";
  if (a.measured) print_lanes(out, a);
}

}  // namespace

ExitCode plan_command(Arguments arguments, Streams& streams) {
  Answer answer;
  TrainOptions& options = answer.options;
  Machine machine;
  bool json = false;
  double seconds = 2;
  Flags flags({"plan",
               "Says what vmoe train with the same flags will need: memory, time, disk. Writes nothing.",
               "vmoe plan synthetic --model cifar128 --epochs 10"});
  flags.argument("DATA", options.data, "as for vmoe train");
  add_training_flags(flags, options);
  add_run_flags(flags, options, machine, json);
  flags.add("calibrate", seconds, between(0, 600), "seconds of trial steps on a model that is thrown away");
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;

  options.threads = machine.threads;
  if (!options.init.empty()) options.init = model_path(options.init);
  machine.prepare();
  if (options.output.empty()) options.output = default_output(options, flags.recipe_path());
  answer.available = available_memory();
  answer.plan = plan_run(options);
  for (const std::string& warning : answer.plan.warnings) warn(streams.err, warning);
  answer.least = least_memory(answer.plan);
  if (answer.fits()) {
    answer.measured = calibrate(answer.plan, seconds);
    answer.memory = memory_of(answer.plan, *answer.measured);
  }
  if (json) {
    print_json(streams.out, to_json(answer));
  } else {
    print(streams.out, answer);
  }
  return ExitCode::done;
}

}  // namespace vmoe
