#include "moe/routers/table.h"

#include "moe/routers/image.h"
#include "moe/routers/token.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

const Router kRouters[] = {
    {"image", Unit::image, route_images},
    {"token", Unit::token, route_tokens},
};

}  // namespace

const char* name_of(Unit unit) {
  return unit == Unit::image ? "image" : "token";
}

std::span<const Router> routers() {
  return kRouters;
}

const Router& find_router(const std::string& name) {
  std::string names;
  for (const Router& router : kRouters) {
    if (name == router.name) return router;
    names += std::string(names.empty() ? "" : ", ") + router.name;
  }
  throw UsageError("no router is called '" + name.substr(0, 60) + "'; known: none, " + names);
}

}  // namespace vmoe
