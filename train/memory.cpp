#include "train/memory.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tensor/error.h"

namespace vmoe {

namespace {

namespace fs = std::filesystem;

constexpr size_t kKiB = 1024;

/// The number behind "NAME:" in a file of lines such as "Rss:   120 kB", in bytes; `otherwise` if there is
/// none.
size_t kilobytes_named(const fs::path& path, const std::string& name, size_t otherwise) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":"))
      return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10) * kKiB;
  }
  return otherwise;
}

/// The only number of a file; `otherwise` if there is none ("max" of a control group).
size_t number_in(const fs::path& path, size_t otherwise) {
  std::ifstream file(path);
  size_t number = 0;
  return file >> number ? number : otherwise;
}

/// Page cache that a control group would give up before it refuses memory.
size_t reclaimable(const fs::path& statistics) {
  std::ifstream file(statistics);
  size_t number = 0;
  for (std::string name; file >> name >> number;) {
    if (name == "inactive_file") return number;
  }
  return 0;
}

/// What the group in `folder` and all those above it up to `top` leave.
size_t left_in_groups(const fs::path& top, const std::string& group, const char* limit, const char* usage) {
  size_t left = kUnknownMemory;
  for (fs::path inside = fs::path(group).relative_path();; inside = inside.parent_path()) {
    const fs::path folder = top / inside;
    const size_t most = number_in(folder / limit, kUnknownMemory);
    if (most != kUnknownMemory) {
      const size_t used = number_in(folder / usage, 0);
      const size_t cache = std::min(used, reclaimable(folder / "memory.stat"));
      left = std::min(left, most - std::min(most, used - cache));
    }
    if (inside.empty()) return left;
  }
}

/// One mapping of /proc/self/smaps.
struct Mapping {
  std::string file;  // device and inode; "00:00 0" for none
  size_t resident = 0, anonymous = 0;
};

}  // namespace

ProcessMemory process_memory() {
  std::ifstream file("/proc/self/smaps");
  std::vector<Mapping> mappings;
  std::map<std::string, bool> is_program;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first, permissions, offset, device, inode;
    words >> first;
    if (first.empty()) continue;
    if (first.back() != ':') {  // 55d0-55d1 r-xp 0 fd:01 1234 /usr/bin/vmoe
      words >> permissions >> offset >> device >> inode;
      mappings.push_back({device + " " + inode});
      is_program[mappings.back().file] |= permissions.find('x') != std::string::npos;
    } else if (!mappings.empty()) {
      size_t kilobytes = 0;
      words >> kilobytes;
      if (first == "Rss:") mappings.back().resident = kilobytes * kKiB;
      if (first == "Anonymous:") mappings.back().anonymous = kilobytes * kKiB;
    }
  }
  ProcessMemory memory;
  for (const Mapping& m : mappings) {
    memory.anonymous += m.anonymous;
    (is_program[m.file] ? memory.program : memory.files) += m.resident - std::min(m.resident, m.anonymous);
  }
  memory.peak = kilobytes_named("/proc/self/status", "VmHWM", 0);
  return memory;
}

size_t available_memory(const fs::path& root) {
  size_t left = kilobytes_named(root / "proc/meminfo", "MemAvailable", kUnknownMemory);
  const fs::path groups = root / "sys/fs/cgroup";
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // 0::/user.slice  or  5:memory:/docker/1234
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") {
      left = std::min(left, left_in_groups(groups, group, "memory.max", "memory.current"));
    } else if (controllers.find(",memory,") != std::string::npos) {
      left = std::min(
          left, left_in_groups(groups / "memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes"));
    }
  }
  return left;
}

uint64_t free_disk(const fs::path& path) {
  std::error_code error;
  fs::path existing = fs::absolute(path, error);
  while (!error && !fs::exists(existing, error) && existing.has_relative_path())
    existing = existing.parent_path();
  struct statvfs system;
  if (statvfs(existing.c_str(), &system) != 0) return 0;
  return uint64_t{system.f_bavail} * system.f_frsize;
}

void require_memory(const std::string& what, double bytes) {
  const size_t left = available_memory();
  if (left == kUnknownMemory || bytes <= static_cast<double>(left)) return;
  char text[96];
  std::snprintf(text, sizeof text, " needs %.0f MiB; this machine has %.0f MiB left", bytes / (1 << 20),
                static_cast<double>(left) / (1 << 20));
  throw UsageError(what + text);
}

}  // namespace vmoe
