#pragma once
// What a study has found: one line of JSON for every arm and seed that is finished. The file alone gives the
// table, so it outlasts the models and moves between machines.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/metrics.h"

namespace vmoe {

struct ArmResult {
  std::string hash;     // of all that decides the arm but the seed: 16 hexadecimal digits
  std::string version;  // of the code (train/version.h)
  std::string arm;
  int seed = 0;
  double top1 = 0, top5 = 0, loss = 0;  // on the test images
  double router_accuracy = 0;           // share of them in their super-class; 0 without
  double holdout_top1 = 0;              // of the epoch that the hold-out chose
  int best_epoch = 0;                   // 0: none was evaluated (a run that --max-steps ended)
  int64_t steps = 0;
  int64_t params = 0, active_params = 0, flops = 0, routed_flops = 0;  // moe/layers.h
  double p50_ms = 0, p95_ms = 0;                                       // train/study/one_image.h
  double experts = 0, bytes = 0;
  int threads = 0;  // of the two times
  std::string isa;
  std::vector<uint8_t> hits;  // [n] 0 or 1, in the order of the test images; in the file four to a digit

  /// Share of the FLOPs that is in routed experts, 0 to 1.
  double routed_share() const { return static_cast<double>(routed_flops) / static_cast<double>(flops); }
};

Record to_record(const ArmResult& result);
/// Throws InputError "WHERE: ..." for a missing or mistyped figure and for hits that are not n.
ArmResult arm_result(const Record& record, const std::string& where);

/// The file of results. Several studies may write into one, at the same time, too.
class ResultsFile {
 public:
  /// Reads what is there. The beginning of one of our lines at the end (the machine went down) is dropped with
  /// the next `append`. Throws InputError naming file and line for a line that is none of ours.
  explicit ResultsFile(std::filesystem::path path);

  /// Reads what others have added since.
  void refresh();

  const std::vector<ArmResult>& all() const { return results_; }
  const ArmResult* find(const std::string& hash, const std::string& arm, int seed) const;
  /// Adds a line and waits until it is on the disk; none if the file has one of this arm and seed, which
  /// another process has then evaluated, too.
  void append(const ArmResult& result);

 private:
  std::filesystem::path path_;
  uint64_t bytes_ = 0;  // all of them read
  bool ended_ = true;   // the last of them has its end
  int lines_ = 0;
  std::vector<ArmResult> results_;
};

}  // namespace vmoe
