#pragma once
// Named models.

#include <span>
#include <string>

#include "nn/config.h"

namespace vmoe {

/// A model with a name. Image size, channels and classes are those it was published with; data may override
/// them.
struct Preset {
  const char* name;
  const char* summary;  // one phrase for `--help`
  VitConfig config;
};

/// All of them, in the order in which `--help` lists them.
std::span<const Preset> presets();

/// Throws UsageError listing the names if there is none of this name.
const Preset& find_preset(const std::string& name);

}  // namespace vmoe
