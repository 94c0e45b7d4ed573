#pragma once
// How this program was built, and what it found on this machine.

#include <string>

#include "cli/output.h"

namespace vmoe {

/// {"version", "compiler", "compiled_for", "blas", "real", "threads", "isa", "isas": [names], "isas_built":
/// [names], "cpu": {feature: whether this machine has it}, "precisions": [names], "precisions_refused":
/// [those that this machine has the instructions for, but where they failed the proof of narrow_proof.h:
/// "int8 (amx)"]}
Json build_info();
/// The same for people, a few lines, from what `build_info` returned.
std::string build_text(const Json& info);

}  // namespace vmoe
