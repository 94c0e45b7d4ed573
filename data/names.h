#pragma once
// Names of classes and files: read, listed, made up, made UTF-8.

#include <string>
#include <vector>

namespace vmoe {

/// The lines of the first of `files` that exists in `folder` or one folder up, as UTF-8 and without empty
/// ones; empty if there is none. Throws InputError if there are not `expected` names (0: any number), or one
/// comes twice.
std::vector<std::string> read_label_names(const std::string& folder, const std::vector<std::string>& files,
                                          size_t expected);

/// Throws IoError unless there is something at this path.
void require_exists(const std::string& path);

/// The text with U+FFFD for every byte that is not UTF-8, as a model file would hold it: names of classes are
/// compared with those in model files.
std::string valid_utf8(const std::string& text);

/// {"0", "1", ..., count - 1}.
std::vector<std::string> number_names(int count);

/// Names of the regular files (or, with `folders`, of the folders) in `folder`, sorted; hidden ones are left
/// out. Throws IoError.
std::vector<std::string> list_folder(const std::string& folder, bool folders);

}  // namespace vmoe
