#pragma once

namespace vmoe {

/// Version of the program, and of what it writes.
constexpr const char* kVersion = "0.1.0";

}  // namespace vmoe
