#pragma once
// The files of a run, and what may be in its folder before.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "train/atomic_file.h"
#include "train/options.h"

namespace vmoe {

struct RunFolder {
  explicit RunFolder(const std::filesystem::path& folder);

  /// In the order in which --overwrite removes them: the state first, so that what is left is no run.
  std::vector<std::filesystem::path> files() const { return {state, last, best, config, metrics, summary}; }

  std::filesystem::path folder, best, last, state, config, metrics, summary;
  FileLock lock;  // so that two runs never write into one folder
};

/// Makes the folder of options.output and holds it; --overwrite clears a run out of it. Throws UsageError if
/// it holds a run and neither --resume nor --overwrite was given, if --resume finds epochs of a run but not
/// its state, and if --init lies in it; BusyError if another process is at work in it, IoError if it cannot
/// be made.
RunFolder open_run_folder(const TrainOptions& options);

/// What a resumed run keeps of a log: bytes of the lines that were there at a checkpoint, and lines among
/// them that are damaged or missing.
struct KeptLog {
  uint64_t bytes = 0;
  int64_t lost = 0;
};
/// Of metrics.jsonl: up to the last line whose "step" is at most `step`.
KeptLog kept_metrics(const std::filesystem::path& file, int64_t step);
/// Of summary.csv: the header and the rows of the first `epochs` epochs.
KeptLog kept_summary(const std::filesystem::path& file, int64_t epochs);

}  // namespace vmoe
