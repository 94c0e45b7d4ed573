// What the processor can do: the meaning of its words, on machines of which this is none, and this machine's.

#include "tensor/kernels/cpu_features.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "tensor/kernels/tables.h"

using namespace vmoe;

namespace {

constexpr uint32_t b(int index) {
  return uint32_t{1} << index;
}

// A processor with everything, under a system that saves everything.
CpuWords everything() {
  CpuWords words;
  words.leaf1_ecx = b(12) | b(27) | b(28);
  words.leaf7_ebx = b(5) | b(16) | b(17) | b(30) | b(31);
  words.leaf7_ecx = b(11);
  words.leaf7_edx = b(22) | b(24) | b(25);
  words.leaf7_1_eax = b(4) | b(5);
  words.xcr0 = 0x600e7;
  words.tiles_permitted = true;
  return words;
}

std::string names(const CpuFeatures& features) {
  std::string text;
  for (const auto& [name, feature] : cpu_feature_names()) {
    if (features.*feature) text += (text.empty() ? "" : " ") + std::string(name);
  }
  return text;
}

template <class Change>
std::string names_after(const Change& change) {
  CpuWords words = everything();
  change(words);
  return names(features_of(words));
}

const std::string kAll = "avx2 avx512 avx_vnni avx512_vnni avx512_bf16 amx_tile amx_int8 amx_bf16";

}  // namespace

TEST_CASE("a processor's words say what it has") {
  CHECK(names(features_of(everything())) == kAll);
  CHECK(names(features_of({})).empty());
  CHECK(names_after([](CpuWords& w) { w.leaf7_edx &= ~b(25); }) ==
        "avx2 avx512 avx_vnni avx512_vnni avx512_bf16 amx_tile amx_bf16");
  CHECK(names_after([](CpuWords& w) { w.leaf7_ecx = w.leaf7_edx = w.leaf7_1_eax = 0; }) == "avx2 avx512");
}

TEST_CASE("what the operating system doesn't save or permit cannot be used, whatever the processor has") {
  const std::string tiles = " amx_tile amx_int8 amx_bf16";
  CHECK(names_after([](CpuWords& w) { w.xcr0 = 0; }).empty());
  CHECK(names_after([](CpuWords& w) { w.xcr0 = 0x60007; }) == "avx2 avx_vnni" + tiles);
  CHECK(names_after([](CpuWords& w) { w.xcr0 = 0xe7; }) + tiles == kAll);
  CHECK(names_after([](CpuWords& w) { w.tiles_permitted = false; }) + tiles == kAll);
}

TEST_CASE("an instruction set counts only with all of its parts") {
  CHECK(names_after([](CpuWords& w) { w.leaf1_ecx &= ~b(12); }) == "amx_tile amx_int8 amx_bf16");  // no FMA
  for (const int part : {16, 17, 30, 31}) {
    CHECK(names_after([&](CpuWords& w) { w.leaf7_ebx &= ~b(part); }) ==
          "avx2 avx_vnni amx_tile amx_int8 amx_bf16");
  }
}

TEST_CASE("a machine runs those kernels whose instructions it has, the widest last") {
  const auto names_for = [](const CpuFeatures& features) {
    std::string text;
    for (const Kernels* table : kernels_for(features)) text += std::string(table->name) + " ";
    return text;
  };
#if defined(__x86_64__) && !defined(VMOE_F64)
  CHECK(names_for({}) == "plain baseline ");
  CHECK(names_for({.avx2 = true}) == "plain baseline avx2 ");
  CHECK(names_for(features_of(everything())) == "plain baseline avx2 avx512 ");
#endif
  CHECK(names_for(cpu_features()).starts_with("plain "));
  CHECK(available_kernels() == kernels_for(cpu_features()));
  CHECK(available_kernels().size() <= built_kernels().size());
}

#if defined(__x86_64__) && defined(__linux__)
TEST_CASE("what this machine has is what Linux says it has") {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && !line.starts_with("flags")) {
  }
  if (line.empty()) {
    MESSAGE("skipped: /proc/cpuinfo lists no flags here");
    return;
  }
  std::istringstream words(line);
  std::set<std::string> flags;
  for (std::string word; words >> word;) flags.insert(word);
  const CpuFeatures& here = cpu_features();
  CHECK(here.avx2 == (flags.contains("avx2") && flags.contains("fma")));
  CHECK(here.avx512 == (flags.contains("avx512f") && flags.contains("avx512bw") &&
                        flags.contains("avx512dq") && flags.contains("avx512vl") && flags.contains("fma")));
  CHECK(here.avx512_vnni == flags.contains("avx512_vnni"));
  CHECK((!here.avx_vnni || flags.contains("avx_vnni")));  // older kernels have no word for these
  CHECK((!here.avx512_bf16 || flags.contains("avx512_bf16")));
  CHECK((!here.amx_tile || flags.contains("amx_tile")));
}
#endif
