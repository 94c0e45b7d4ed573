// vmoe study: the arms of an experiment under one budget, and the table that compares them.

#include "train/study/study.h"

#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress_bar.h"
#include "cli/train_flags.h"
#include "train/study/arms.h"
#include "train/suggest.h"

namespace vmoe {
namespace {

struct StudyCommand {
  std::string study, arms, method = "spectral";
  StudyOptions options;
  Machine machine;
  bool json = false;
};

/// "a,b" -> {"a", "b"}
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  for (size_t begin = 0; !text.empty() && begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

void describe(Flags& flags, StudyCommand& c) {
  TrainOptions& o = c.options.train;
  flags.argument("STUDY", c.study, "mobile: experts by image against the dense model, and controls");
  flags.argument("DATA", o.data, "a folder or file of at least 4 classes, or synthetic");
  add_shared_training_flags(flags, o, "classes/2, up to 10");
  flags.group("Run", "the flags above are shared by all arms; the router is each arm's own");
  flags.recipe();
  flags.text("output", c.options.output, "DIR", "runs and results; the same command continues a study",
             "needed");
  flags.text("results", c.options.results, "FILE", "finished arms, not run again; --only-table runs none",
             "DIR/results.jsonl");
  flags.text("arms", c.arms, "A,B,...", "of dense, superclass, random, image, token, coarse, wide", "all");
  flags.add("seeds", c.options.seeds, between(1, 1000), "runs of each arm: seeds 1 to N");
  flags.add("upcycle", c.options.upcycle_epochs, at_least(0),
            "epochs of a dense start that experts copy; 0: from scratch");
  flags.choice("method", c.method, {"spectral", "agglomerative"}, "of superclass, as in vmoe superclass");
  flags.add("max-steps", o.max_steps, at_least(1), "", "never early");
  flags.add("save-every", o.save_every, at_least(0), "");
  flags.toggle("only-table", c.options.only_table, "");
  add_json_flag(flags, c.json);
  add_machine_flags(flags, c.machine);
  flags.add("lanes", o.lanes, between(1, 4096), "");
  add_training_precision_flag(flags, o.precision);
}

void settle(StudyCommand& c) {
  if (c.study != "mobile") {
    const std::vector<std::string> known = {"mobile"};
    throw UsageError("there is no study '" + printable(c.study) + "'" + did_you_mean(c.study, known) +
                     " (vmoe study mobile DATA)");
  }
  if (c.options.output.empty()) throw UsageError("--output DIR is needed: where runs and results go");
  c.options.arms = split_names(c.arms);
  c.options.method = c.method == "spectral" ? ClusterMethod::spectral : ClusterMethod::agglomerative;
  c.machine.prepare();
  c.options.train.threads = c.machine.threads;
}

Json to_json(const Difference& difference, const std::string& to) {
  return {{"to", to},
          {"mean", difference.mean},
          {"low", difference.low},
          {"high", difference.high},
          {"seeds", difference.seeds}};
}

Json to_json(const ArmSummary& arm) {
  const ArmResult& f = arm.figures;
  Json json;
  json["arm"] = arm.name;
  json["meaning"] = arm.meaning;
  json["seeds"] = arm.seeds;
  json["top1"] = {{"mean", arm.mean}, {"sd", arm.spread}, {"by_seed", arm.top1}};
  json["difference"] = arm.to_dense ? to_json(*arm.to_dense, "dense") : Json(nullptr);
  json["params"] = f.params;
  json["active_params"] = f.active_params;
  json["flops"] = f.flops;
  json["routed_share"] = f.routed_share();
  json["latency_p50_ms"] = f.p50_ms;
  json["latency_p95_ms"] = f.p95_ms;
  json["experts_touched"] = f.experts;
  json["bytes_touched"] = f.bytes;
  return json;
}

/// "+1.20 [+0.31, +2.05]", in points.
std::string text_of(const Difference& difference) {
  const auto points = [](double value) { return (value < 0 ? "" : "+") + fixed(value, 2); };
  return points(difference.mean) + " [" + points(difference.low) + ", " + points(difference.high) + "]";
}

void print(std::ostream& out, const Study& study) {
  std::vector<std::vector<std::string>> rows = {{"arm", "seeds", "top-1 %", "to dense, points", "params",
                                                 "active", "FLOPs", "routed", "p50 ms", "p95 ms", "experts",
                                                 "MB read"}};
  for (const ArmSummary& arm : study.arms) {
    const ArmResult& f = arm.figures;
    rows.push_back(
        {arm.name, std::to_string(arm.seeds.size()),
         fixed(100 * arm.mean, 2) + (arm.seeds.size() > 1 ? " +- " + fixed(100 * arm.spread, 2) : ""),
         arm.to_dense ? text_of(*arm.to_dense) : "", with_unit(static_cast<double>(f.params)),
         with_unit(static_cast<double>(f.active_params)), with_unit(static_cast<double>(f.flops)),
         percent(f.routed_share(), 1), fixed(f.p50_ms, 3), fixed(f.p95_ms, 3), fixed(f.experts, 2),
         fixed(1e-6 * f.bytes, 2)});
  }
  out << columns(rows);
  for (const Comparison& c : study.comparisons)
    out << c.arm << " to " << c.to << ": " << text_of(c.difference) << " points\n";
  out << "Top-1: mean and standard deviation over seeds. Differences: 95 % interval, paired bootstrap over "
         "the "
         "seeds in common\nand the test images; of one seed it tells of the images alone. Of one image: "
         "times, experts in a block with experts,\nand weights read.\n";
  for (const std::string& run : study.diverged) out << "No result of " << run << '\n';
  for (const std::string& run : study.elsewhere)
    out << "Another process is at work on " << run
        << " or on what it needs; the same command shows it later.\n";
  if (study.report.empty() && study.missing > 0)
    out << study.missing << " runs are missing; without --only-table they are made.\n";
  out << "Results: " << study.results << '\n';
  if (!study.report.empty()) out << "Report: " << study.report << '\n';
}

}  // namespace

ExitCode study_command(Arguments arguments, Streams& streams) {
  StudyCommand command;
  Flags flags({"study", "Trains the arms of an experiment with one recipe and budget, and compares them.",
               "vmoe study mobile synthetic --seeds 2 --epochs 6 --output runs/study"});
  describe(flags, command);
  if (!flags.parse(arguments, streams.out)) return ExitCode::done;
  settle(command);

  const InterruptWatch watch;
  ProgressBar bar(streams.err, streams.columns);
  const Study study =
      run_study(command.options, {.run = {.announce = [&](const std::string& line) { bar.say("  " + line); },
                                          .outlook = [](const RunOutlook&) {},
                                          .progress = [&](const Progress& progress) { bar.show(progress); },
                                          .warn = [&](const std::string& line) { bar.warn(line); },
                                          .interrupted = [&] { return watch.interrupted(); }},
                                  .say = [&](const std::string& line) { bar.say(line); }});
  if (command.json) {
    Json json = json_result();
    json["study"] = command.study;
    json["results"] = study.results;
    if (!study.report.empty()) json["report"] = study.report;
    json["missing"] = study.missing;
    json["diverged"] = study.diverged;
    json["elsewhere"] = study.elsewhere;
    json["arms"] = Json::array();
    for (const ArmSummary& arm : study.arms) json["arms"].push_back(to_json(arm));
    json["comparisons"] = Json::array();
    for (const Comparison& c : study.comparisons) {
      json["comparisons"].push_back(to_json(c.difference, c.to));
      json["comparisons"].back()["arm"] = c.arm;
    }
    print_json(streams.out, json);
  } else {
    print(streams.out, study);
  }
  return study.diverged.empty() ? ExitCode::done : ExitCode::internal;
}

}  // namespace vmoe
