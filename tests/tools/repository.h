#pragma once
// The checked-out repository, as the tests of the source text and of the build's scripts see it.

#include <filesystem>
#include <string>
#include <vector>

namespace vmoe::checks {

/// The repository's root: the current folder or the nearest one above it that holds the Makefile and tensor/.
/// Throws std::runtime_error when there is none (the tests run from the repository).
std::filesystem::path repository();

/// Paths from the root, in order, of all .h and .cpp files below the folders. A folder that does not exist
/// throws std::filesystem::filesystem_error: a misspelt name must not pass for a folder without faults.
std::vector<std::string> source_files(const std::vector<std::string>& folders);

/// The whole text of a file.
std::string read_text(const std::filesystem::path& file);

}  // namespace vmoe::checks
