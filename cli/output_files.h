#pragma once
// Files that a command writes, held against those that it reads.

#include <string>
#include <vector>

namespace vmoe {

/// Whether two paths name one file, however they are spelt ("a", "./a", a link to it). It need not exist.
bool same_file(const std::string& a, const std::string& b);

/// Throws UsageError "FLAG PATH: ..." if writing `path` would replace one of the `inputs`, a file of any run,
/// or a model called like a run's. An input that is a folder stands for a run's models, or for data: what lies
/// in its train, test or val, and binary files; one that is no file (empty, "synthetic") for nothing.
void require_not_an_input(const std::string& flag, const std::string& path,
                          const std::vector<std::string>& inputs);

}  // namespace vmoe
