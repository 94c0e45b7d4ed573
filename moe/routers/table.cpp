#include "moe/routers/table.h"

#include "moe/routers/image.h"
#include "moe/routers/token.h"
#include "tensor/error.h"

namespace vmoe {

namespace {

const Router kRouters[] = {
    {"image", Unit::image,
     "whole images to their top-k experts, one decision for all MoE blocks (Mobile V-MoE)",
     "--experts E --top-k K --moe-layers last:n|every:n|i,j,... --renormalise --router-pool mean|cls "
     "--super-classes FILE|coarse --balance-weight X",
     "E 10, K 1, L 2, raw gates, mean, no super-classes, 0.01", kImageRouterEquations, route_images},
    {"token", Unit::token,
     "tokens to their top-k experts, decided anew in every MoE block (V-MoE, without capacity)",
     "--experts E --top-k K --moe-layers last:n|every:n|i,j,... --renormalise "
     "--balance-weight X",
     "E 10, K 1, L 2, raw gates, 0.01", kTokenRouterEquations, route_tokens},
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
