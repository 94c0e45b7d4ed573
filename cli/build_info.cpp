#include "cli/build_info.h"

#include <vector>

#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/kernels.h"
#include "tensor/kernels/narrow.h"
#include "tensor/kernels/tables.h"
#include "tensor/matmul.h"
#include "train/threads.h"
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

// Which machines run all but the kernels; our own builds never say more than "every", EXTRA=-march=... may.
std::string compiled_for() {
#if defined(__AVX512F__)
  return "machines with AVX-512";
#elif defined(__AVX2__)
  return "machines with AVX2";
#elif defined(__x86_64__)
  return "every x86-64";
#else
  return "this architecture";
#endif
}

Json names_of(const std::vector<const Kernels*>& tables) {
  Json names = Json::array();
  for (const Kernels* table : tables) names.push_back(table->name);
  return names;
}

std::string words(const Json& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text;
}

// "avx512: the widest that this machine runs of plain, baseline, avx2, avx512"
std::string isa_text(const Json& info) {
  const std::string isa = info["isa"].get<std::string>();
  const bool widest = info["isas"].back() == isa;
  std::string text =
      isa + ": " + (widest ? "the widest" : "asked for; it is one") + " of " + words(info["isas"]);
  if (info["isas"] != info["isas_built"]) {
    text += ", which this machine runs of " + words(info["isas_built"]);
  } else {
    text += "; this machine runs all that the program holds";
  }
  return text;
}

// What the processor has, what it lacks.
std::string cpu_text(const Json& cpu) {
  Json has = Json::array(), lacks = Json::array();
  for (const auto& [name, present] : cpu.items()) (present ? has : lacks).push_back(name);
  std::string text = has.empty() ? "none of the features that matter" : words(has);
  if (!lacks.empty()) text += "; not " + words(lacks);
  return text;
}

/// "int8 (avx512_vnni)"
std::string label_of(const NarrowKernels& table) {
  return std::string(name_of(table.precision)) + " (" + table.name + ")";
}

/// "fp32, int8 (avx512_vnni); auto is int8, in training fp32"
std::string precisions_text() {
  std::string text;
  for (const Precision precision : available_precisions()) {
    const NarrowKernels* table = narrow_kernels(precision);
    text += (text.empty() ? "" : ", ") + (table ? label_of(*table) : std::string(name_of(precision)));
  }
  return text + "; auto is " + name_of(find_precision("auto")) + ", in training " +
         name_of(find_training_precision("auto"));
}

}  // namespace

Json build_info() {
  Json json;
  json["version"] = code_version();
  json["compiler"] = compiler();
  json["compiled_for"] = compiled_for();
  json["blas"] = blas_description();
  json["real"] = sizeof(real) == 4 ? "float" : "double";
  json["threads"] = default_threads();
  json["isa"] = kernels().name;
  json["isas"] = names_of(available_kernels());
  json["isas_built"] = names_of(built_kernels());
  for (const auto& [name, feature] : cpu_feature_names()) json["cpu"][name] = cpu_features().*feature;
  json["precisions"] = Json::array();
  for (const Precision precision : available_precisions()) json["precisions"].push_back(name_of(precision));
  json["precisions_refused"] = Json::array();
  for (const NarrowKernels* table : refused_narrow_kernels())
    json["precisions_refused"].push_back(label_of(*table));
  return json;
}

std::string build_text(const Json& info) {
  std::vector<std::vector<std::string>> lines = {
      {"  vmoe         " + info["version"].get<std::string>()},
      {"  compiler     " + info["compiler"].get<std::string>() + ", for " +
       info["compiled_for"].get<std::string>()},
      {"  BLAS         " + info["blas"].get<std::string>()},
      {"  numbers      " + info["real"].get<std::string>()},
      {"  threads      " + std::to_string(info["threads"].get<int>())},
      {"  instructions " + isa_text(info)},
      {"  processor    " + cpu_text(info["cpu"])},
      {"  precisions   " + precisions_text()}};
  if (const Json& refused = info["precisions_refused"]; !refused.empty()) {
    lines.push_back({"  not used     " + words(refused) +
                     ": computes otherwise here than its definition; please report this machine"});
  }
  return columns(lines);
}

}  // namespace vmoe
