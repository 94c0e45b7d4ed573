#include "cli/build_info.h"

#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"
#include "train/inference.h"
#include "train/version.h"

namespace vmoe {
namespace {

std::string compiler() {
#if defined(__clang__)
  return std::string("Clang ") + __clang_version__;
#else
  return std::string("GCC ") + __VERSION__;
#endif
}

}  // namespace

Json build_info() {
  Json json;
  json["version"] = kVersion;
  json["compiler"] = compiler();
  json["blas"] = blas_description();
  json["real"] = sizeof(real) == 4 ? "float" : "double";
  json["threads"] = default_threads();
  json["isa"] = kernels().name;
  json["isas"] = Json::array();
  for (const Kernels* table : available_kernels()) json["isas"].push_back(table->name);
  return json;
}

std::string build_text() {
  const Json json = build_info();
  std::string isas;
  for (const auto& name : json["isas"]) isas += " " + name.get<std::string>();
  return columns({{"  vmoe         " + json["version"].get<std::string>()},
                  {"  compiler     " + json["compiler"].get<std::string>()},
                  {"  BLAS         " + json["blas"].get<std::string>()},
                  {"  numbers      " + json["real"].get<std::string>()},
                  {"  threads      " + std::to_string(json["threads"].get<int>())},
                  {"  instructions " + json["isa"].get<std::string>() + " (this machine runs" + isas + ")"}});
}

}  // namespace vmoe
