#include "train/run_folder.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace vmoe {

namespace fs = std::filesystem;

namespace {

// A log to be read, empty if there is none; a pipe or a folder of its name is an error and not a wait.
std::ifstream open_log(const fs::path& path) {
  if (file_exists(path)) InputFile must_be_regular(path);
  return std::ifstream(path, std::ios::binary);
}

// A run replaces its own files, and with --overwrite begins with that.
void require_init_elsewhere(const TrainOptions& options) {
  if (options.init.empty()) return;
  std::error_code ignored;
  const fs::path init = fs::weakly_canonical(options.init, ignored);  // what a link leads to
  if (!fs::equivalent(fs::absolute(init).parent_path(), options.output, ignored)) return;
  throw UsageError("--init " + options.init +
                   ": lies in the folder of --output, whose files the run replaces; "
                   "give another --output");
}

// The first checkpoint comes with the first epoch or before it. Logs of more without a state: it was lost,
// and to begin anew would overwrite the models.
void require_state(const RunFolder& run) {
  constexpr int64_t kRows = 2;
  if (file_exists(run.state) || kept_summary(run.summary, kRows).lost > 0) return;
  throw ResumeError("'" + run.state.string() +
                    "' is missing, without which this run cannot go on; --overwrite starts anew");
}

}  // namespace

RunFolder::RunFolder(const fs::path& folder)
    : folder(folder),
      best(folder / "best.safetensors"),
      last(folder / "last.safetensors"),
      state(folder / "last.state.safetensors"),
      config(folder / "config.json"),
      metrics(folder / "metrics.jsonl"),
      summary(folder / "summary.csv") {}

RunFolder open_run_folder(const TrainOptions& options) {
  require_init_elsewhere(options);
  RunFolder run(options.output);
  std::error_code error;
  fs::create_directories(run.folder, error);
  if (error || !fs::is_directory(run.folder, error)) {
    throw IoError("cannot make the output folder '" + options.output +
                  "': " + (error ? error.message() : "a file of that name exists"));
  }
  const auto files = run.files();
  const bool holds_run = std::any_of(files.begin(), files.end(), file_exists);
  if (holds_run && !options.resume && !options.overwrite) {
    throw UsageError("--output " + options.output +
                     ": holds a run already; add --resume to continue it or "
                     "--overwrite to start anew");
  }
  run.lock = FileLock(run.folder, FileLock::IfHeld::refuse);
  if (!run.lock.held()) {
    throw BusyError("--output " + options.output + ": another run is writing into this folder");
  }
  if (options.resume) require_state(run);
  if (!options.overwrite) return run;
  for (const fs::path& file : files) {
    fs::remove(file, error);
    fs::remove(file.parent_path() / ("." + file.filename().string() + ".tmp"),
               error);  // of a run that was killed
  }
  return run;
}

KeptLog kept_metrics(const fs::path& path, int64_t step) {
  std::ifstream file = open_log(path);
  KeptLog kept;
  uint64_t bytes = 0;
  int64_t damaged = 0;  // behind the last good line
  for (std::string line; std::getline(file, line) && !file.eof();) {
    bytes += line.size() + 1;
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) {
      ++damaged;
      continue;
    }
    if (json["step"] > step) break;
    kept = {bytes, kept.lost + damaged};
    damaged = 0;
  }
  return kept;
}

KeptLog kept_summary(const fs::path& path, int64_t epochs) {
  std::ifstream file = open_log(path);
  KeptLog kept;
  std::string line;
  int64_t lines = 0;
  for (; lines <= epochs && std::getline(file, line) && !file.eof(); ++lines) kept.bytes += line.size() + 1;
  kept.lost = epochs + 1 - lines;
  return kept;
}

}  // namespace vmoe
