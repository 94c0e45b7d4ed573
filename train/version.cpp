#include "train/version.h"

// The build gives it to this file alone (tools/revision.sh), so that a commit compiles nothing else anew.
#ifndef VMOE_REVISION
#define VMOE_REVISION ""
#endif

namespace vmoe {

std::string code_version() {
  const std::string revision = VMOE_REVISION;
  return revision.empty() ? kVersion : kVersion + ("+" + revision);
}

}  // namespace vmoe
