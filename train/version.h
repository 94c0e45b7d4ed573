#pragma once

#include <string>

namespace vmoe {

/// Version of the program, and of what it writes.
constexpr const char* kVersion = "0.1.0";

/// The same with the commit that the program was built from, where the build knew it: "0.1.0+1a2b3c4d5e6f", with
/// "-changed" after it for a tree with other changes. For records of what a figure was measured with.
std::string code_version();

}  // namespace vmoe
