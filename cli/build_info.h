#pragma once
// How this program was built, and what it found on this machine.

#include <string>

#include "cli/output.h"

namespace vmoe {

/// {"version", "compiler", "compiled_for", "blas", "real", "threads", "isa", "isas": [names], "isas_built":
/// [names], "cpu": {feature: whether this machine has it},
/// "precisions": [names]}
Json build_info();
/// The same for people, a few lines.
std::string build_text();

}  // namespace vmoe
