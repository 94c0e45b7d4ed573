#include "train/run_log.h"

#include <algorithm>

#include "train/routing_report.h"

namespace vmoe {

namespace {

const std::vector<std::string> kSummaryColumns = {"epoch",
                                                  "step",
                                                  "lr",
                                                  "train_loss",
                                                  "train_accuracy",
                                                  "holdout_accuracy",
                                                  "holdout_top5",
                                                  "holdout_loss",
                                                  "router_accuracy",
                                                  "images_per_second",
                                                  "seconds"};

// Bytes to go on behind. What the log lacks is said, for nobody can write it again.
uint64_t bytes_of(const std::filesystem::path& log, const KeptLog& kept,
                  const std::function<void(const std::string& line)>& warn) {
  if (kept.lost > 0)
    warn("'" + log.string() + "': of the run so far, lines damaged or missing: " + std::to_string(kept.lost));
  return kept.bytes;
}

}  // namespace

RunLog::RunLog(const RunPlan& plan, const RunFolder& folder, int64_t step,
               const std::function<void(const std::string& line)>& warn)
    : plan_(plan),
      metrics_(folder.metrics,
               step > 0 ? bytes_of(folder.metrics, kept_metrics(folder.metrics, step), warn) : 0),
      table_(folder.summary, kSummaryColumns,
             step > 0
                 ? bytes_of(folder.summary, kept_summary(folder.summary, step / plan.steps_per_epoch), warn)
                 : 0) {}

void RunLog::step(int64_t step, const StepFigures& figures, const ModelRouting& routing, double seconds) {
  const int64_t in_epoch = (step - 1) % plan_.steps_per_epoch + 1;
  if (in_epoch % std::max<int64_t>(1, plan_.steps_per_epoch / 10) != 0) return;
  const auto batch = static_cast<double>(plan_.step.batch_size);
  Record record;
  record["step"] = step;
  record["epoch"] = static_cast<double>(step) / static_cast<double>(plan_.steps_per_epoch);
  record["lr"] = plan_.schedule.at(step - 1);
  record["loss"] = figures.loss;
  record["accuracy"] = static_cast<double>(figures.correct) / batch;
  if (is_taught()) {
    record["router_loss"] = figures.router_loss;
    record["router_accuracy"] = static_cast<double>(figures.router_correct) / batch;
  }
  if (!routing.decisions.empty()) record.update(step_routing_record(routing));
  if (plan_.description.config.moe.balance_weight > 0) record["balance_loss"] = figures.balance_loss;
  record["gradient_norm"] = figures.gradient_norm;
  record["images_per_second"] = batch / seconds;
  record["input_share"] = figures.input_seconds / (seconds * plan_.step.threads);
  metrics_.append(record);
}

void RunLog::epoch(const EpochFigures& e) {
  Record record;
  record["epoch"] = e.epoch;
  record["step"] = e.step;
  record["lr"] = plan_.schedule.at(e.step - 1);
  record["train_loss"] = e.loss;
  record["train_accuracy"] = e.accuracy;
  if (!e.routing.decisions.empty()) {
    if (is_taught()) record["train_router_accuracy"] = e.router_accuracy;
    record["train_routing"] = routing_record(e.routing);
    if (!e.problems.empty())
      record["routing_problem"] = e.routing.unit == Unit::image ? Record(e.problems[0]) : Record(e.problems);
  }
  if (e.holdout) {
    record["holdout_accuracy"] = e.holdout->top1;
    record["holdout_top5"] = e.holdout->top5;
    record["holdout_loss"] = e.holdout->loss;
    if (is_taught()) record["router_accuracy"] = e.holdout->router_accuracy;
    if (!e.holdout->routing.decisions.empty()) record["holdout_routing"] = routing_record(e.holdout->routing);
  }
  record["images_per_second"] = e.images_per_second;
  record["seconds"] = e.seconds;
  metrics_.append(record);
  table_.append(record);
}

void RunLog::flush() {
  metrics_.flush();
  table_.flush();
}

}  // namespace vmoe
