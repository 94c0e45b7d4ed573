#pragma once
// What this process holds in memory, and what the machine has left. From /proc and /sys, so for Linux;
// elsewhere everything reads as unknown.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

namespace vmoe {

/// Resident bytes.
struct ProcessMemory {
  size_t anonymous = 0;  // heap, stacks, arenas
  size_t program = 0;    // pages of the program's and its libraries' files
  size_t files = 0;      // pages of other mapped files, such as a data set's
  size_t peak = 0;       // the largest sum so far
};
ProcessMemory process_memory();

constexpr size_t kUnknownMemory = std::numeric_limits<size_t>::max();

/// Bytes that a new process could still take: MemAvailable, or less where a control group (version 1 or 2,
/// its parents included) limits this one; kUnknownMemory if nobody says. `root` is where /proc and /sys are
/// found.
size_t available_memory(const std::filesystem::path& root = "/");

/// Bytes that a user may still write where `path` is or would be made; 0 if that cannot be found out.
uint64_t free_disk(const std::filesystem::path& path);

/// Throws UsageError "WHAT needs N MiB; this machine has M MiB left" if `bytes` are more than that.
void require_memory(const std::string& what, double bytes);

}  // namespace vmoe
