#pragma once
// What decides a run, as a record that is kept with it, and what to say when it differs.

#include <optional>
#include <string>

#include "train/metrics.h"

namespace vmoe {

/// The first figure by which two records differ: "model/config/vit/dim", "64", "128". "none" is the text of a
/// figure that a record does not have.
struct SettingDifference {
  std::string name, before, now;
};
std::optional<SettingDifference> first_difference(const Record& before, const Record& now);

/// ResumeError that names the first setting by which a run that is to go on
/// (`now`) differs from what it was begun with (`then`). Paths of the same data may be spelt in different
/// ways, and settings that an earlier program did not write have the values that it meant. InputError
/// "WHERE: ..." for what are no settings.
void require_same_settings(const Record& now, Record then, const std::string& where);

}  // namespace vmoe
