#pragma once
// The program as the tests call it: in this process, with its output as text.

#include <sstream>
#include <string>
#include <vector>

#include "cli/program.h"

namespace vmoe::testing {

struct Outcome {
  int code;
  std::string out, err;
};

inline Outcome vmoe(const std::vector<std::string>& arguments, const std::string& input = "") {
  std::istringstream in(input);
  std::ostringstream out, err;
  Streams streams{in, out, err};
  const int code = run_program(arguments, streams);
  return {code, out.str(), err.str()};
}

/// A data set small enough for whole runs of a second: 4 classes in 2 families, 8 x 8 pixels.
inline const std::string kTinyData = "synthetic:families=2,details=2,train=12,test=4,size=8";

/// `vmoe train` with a model to match, into `output`, and more flags.
inline std::vector<std::string> train_command(const std::string& output,
                                              const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = {"train",        kTinyData, "--dim",     "16",  "--depth",  "2",
                                      "--heads",      "2",       "--mlp-dim", "16",  "--epochs", "3",
                                      "--batch-size", "8",       "--output",  output};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

}  // namespace vmoe::testing
