#include "cli/output_files.h"

#include <filesystem>

#include "tensor/error.h"
#include "train/model_file.h"

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

}  // namespace

bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) || plain(a) == plain(b);
}

void require_not_an_input(const std::string& flag, const std::string& path,
                          const std::vector<std::string>& inputs) {
  if (path.empty()) return;
  const auto require_other = [&](const std::string& input) {
    std::error_code ignored;
    if (!fs::is_regular_file(input, ignored) || !same_file(path, input)) return;
    throw UsageError(flag + " " + path + ": would replace '" + input +
                     "', which the result is made from; give another name");
  };
  for (const std::string& input : inputs) {
    require_other(input);
    for (const char* name : kModelNames) require_other((fs::path(input) / name).string());
  }
}

}  // namespace vmoe
