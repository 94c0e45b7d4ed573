#include "cli/output_files.h"

#include <algorithm>
#include <filesystem>

#include "tensor/error.h"
#include "train/model_file.h"
#include "train/run_folder.h"

namespace vmoe {
namespace {

namespace fs = std::filesystem;

/// The path without links and dots as far as it exists; made absolute first, since "a" alone would stay "a".
fs::path plain(const std::string& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  const fs::path result = fs::weakly_canonical(absolute, error);
  return error ? absolute.lexically_normal() : result;
}

/// What a file is that is called as a run calls one of its own; empty if it is nothing to keep.
std::string what_is_there(const std::string& file) {
  const RunFolder run(plain(file).parent_path());
  const auto files = run.files();
  const bool is_called_so = std::any_of(
      files.begin(), files.end(), [&](const fs::path& other) { return same_file(other.string(), file); });
  if (!is_called_so) return "";
  if (file_exists(run.state)) return "is the place of a file of the run in this folder";
  const bool is_model = fs::path(file).extension() == ".safetensors" && file_exists(file);
  return is_model ? "holds a model already" : "";
}

/// Whether an existing file is one that a data set in the folder would have.
bool is_data_of(const std::string& folder, const std::string& file) {
  const fs::path inside = plain(file).lexically_relative(plain(folder));
  if (inside.empty() || *inside.begin() == "..") return false;
  const std::string first = inside.begin()->string(), name = inside.filename().string();
  return first == "train" || first == "test" || first == "val" || name.ends_with(".bin") ||
         name.find("ubyte") != std::string::npos;
}

}  // namespace

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) || plain(a) == plain(b);
}

void require_not_an_input(const std::string& flag, const std::string& path,
                          const std::vector<std::string>& inputs) {
  if (path.empty()) return;
  std::error_code ignored;
  const auto refuse = [&](const std::string& file) {
    throw UsageError(flag + " " + path + ": would replace '" + file +
                     "', which the result is made from; give another name");
  };
  for (const std::string& input : inputs) {
    if (fs::is_regular_file(input, ignored) && same_file(path, input)) refuse(input);
    if (!fs::is_directory(input, ignored)) continue;
    for (const char* name : kModelNames) {
      const std::string model = (fs::path(input) / name).string();
      if (same_file(path, model)) refuse(model);
    }
    const bool is_data = !holds_model(input) && is_data_of(input, path);
    if (is_data && fs::exists(path, ignored)) refuse(path);
  }
  if (const std::string what = what_is_there(path); !what.empty())
    throw UsageError(flag + " " + path + ": " + what + "; give another name");
}

}  // namespace vmoe
