#include "tests/tools/repository.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace vmoe::checks {

namespace fs = std::filesystem;

fs::path repository() {
  for (fs::path folder = fs::current_path();; folder = folder.parent_path()) {
    if (fs::exists(folder / "Makefile") && fs::exists(folder / "tensor" / "tensor.h")) return folder;
    if (folder == folder.parent_path()) throw std::runtime_error("run the tests from the repository");
  }
}

std::vector<std::string> source_files(const std::vector<std::string>& folders) {
  const fs::path root = repository();
  std::vector<std::string> files;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      if (path.extension() == ".h" || path.extension() == ".cpp") {
        files.push_back(path.lexically_relative(root).generic_string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace vmoe::checks
