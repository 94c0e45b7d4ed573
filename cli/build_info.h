#pragma once
// How this program was built, and what it found on this machine.

#include <string>

#include "cli/output.h"

namespace vmoe {

/// {"version", "compiler", "blas", "real", "threads", "isa", "isas": [names]}
Json build_info();
/// The same for people, a few lines.
std::string build_text();

}  // namespace vmoe
