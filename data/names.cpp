#include "data/names.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "data/file.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

constexpr size_t kLargestFile = size_t{1} << 20;

std::vector<std::string> read_lines(const std::string& path) {
  ImageScratch scratch(kLargestFile);
  const Bytes bytes = read_file(path, scratch);
  std::vector<std::string> lines(1);
  for (const uint8_t byte : bytes) {
    if (byte == '\n') {
      lines.emplace_back();
    } else if (byte < ' ' && byte != '\r' && byte != '\t') {
      throw InputError(path + ", line " + std::to_string(lines.size()) + ": not a text file of class names");
    } else if (byte != '\r') {
      lines.back() += static_cast<char>(byte);
    }
  }
  return lines;
}

std::vector<std::string> parse_names(const std::string& path, size_t expected) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const std::string& line : read_lines(path)) {
    if (line.empty()) continue;
    names.push_back(valid_utf8(line));
    if (!seen.insert(names.back()).second)
      throw InputError(path + ": class '" + names.back() + "' comes twice");
  }
  if (expected != 0 && names.size() != expected) {
    throw InputError(path + ": " + std::to_string(names.size()) + " class names; the data has " +
                     std::to_string(expected) + " classes");
  }
  return names;
}

}  // namespace

std::vector<std::string> read_label_names(const std::string& folder, const std::vector<std::string>& files,
                                          size_t expected) {
  const std::filesystem::path here(folder.empty() ? "." : folder);
  for (const auto& place : {here, here / ".."}) {
    for (const std::string& file : files) {
      std::error_code error;
      if (std::filesystem::is_regular_file(place / file, error)) return parse_names(place / file, expected);
    }
  }
  return {};
}

void require_exists(const std::string& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return;
  throw IoError("cannot read '" + path + "': " + (error ? error.message() : "no such file or folder"));
}

std::string valid_utf8(const std::string& text) {
  using nlohmann::json;
  return json::parse(json(text).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

std::vector<std::string> number_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

std::vector<std::string> list_folder(const std::string& folder, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entries(folder, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    std::error_code unreadable;
    const bool wanted = folders ? entries->is_directory(unreadable) : !entries->is_directory(unreadable);
    const std::string name = entries->path().filename().string();
    if (wanted && name[0] != '.') names.push_back(name);
  }
  if (error) throw IoError("cannot read folder '" + folder + "': " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace vmoe
