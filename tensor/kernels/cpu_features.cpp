#include "tensor/kernels/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace vmoe {

namespace {

constexpr bool bit(uint64_t word, int index) {
  return (word >> index & 1) != 0;
}

constexpr uint64_t kYmmState = 0x6;       // XMM and the upper halves of YMM
constexpr uint64_t kZmmState = 0xe6;      // those, mask registers, ZMM
constexpr uint64_t kTileState = 0x60000;  // tile configuration and data

#if defined(__x86_64__)

// Registers that the operating system saves. XGETBV as bytes: the compiler's own needs a flag for newer
// machines.
uint64_t saved_registers() {
  uint32_t low, high;
  asm volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

// Linux saves tile registers only for processes that ask (Documentation/arch/x86/xstate.rst).
bool ask_for_tiles() {
#if defined(__linux__)
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

CpuWords read_words() {
  CpuWords words;
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d)) words.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    words.leaf7_ebx = b;
    words.leaf7_ecx = c;
    words.leaf7_edx = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) words.leaf7_1_eax = a;
  }
  if (bit(words.leaf1_ecx, 27)) words.xcr0 = saved_registers();
  if (bit(words.leaf7_edx, 24)) words.tiles_permitted = ask_for_tiles();
  return words;
}

#else

CpuWords read_words() {
  return {};
}

#endif

}  // namespace

CpuFeatures features_of(const CpuWords& w) {
  const auto saves = [&](uint64_t state) { return (w.xcr0 & state) == state; };
  CpuFeatures f;
  f.avx2 = saves(kYmmState) && bit(w.leaf1_ecx, 28) && bit(w.leaf1_ecx, 12) && bit(w.leaf7_ebx, 5);
  f.avx512 = f.avx2 && saves(kZmmState) && bit(w.leaf7_ebx, 16) && bit(w.leaf7_ebx, 17) &&
             bit(w.leaf7_ebx, 30) && bit(w.leaf7_ebx, 31);
  f.avx_vnni = f.avx2 && bit(w.leaf7_1_eax, 4);
  f.avx512_vnni = f.avx512 && bit(w.leaf7_ecx, 11);
  f.avx512_bf16 = f.avx512 && bit(w.leaf7_1_eax, 5);
  f.amx_tile = saves(kTileState) && w.tiles_permitted && bit(w.leaf7_edx, 24);
  f.amx_int8 = f.amx_tile && bit(w.leaf7_edx, 25);
  f.amx_bf16 = f.amx_tile && bit(w.leaf7_edx, 22);
  return f;
}

const std::vector<CpuFeatureName>& cpu_feature_names() {
  static const std::vector<CpuFeatureName> names = {
      {"avx2", &CpuFeatures::avx2},
      {"avx512", &CpuFeatures::avx512},
      {"avx_vnni", &CpuFeatures::avx_vnni},
      {"avx512_vnni", &CpuFeatures::avx512_vnni},
      {"avx512_bf16", &CpuFeatures::avx512_bf16},
      {"amx_tile", &CpuFeatures::amx_tile},
      {"amx_int8", &CpuFeatures::amx_int8},
      {"amx_bf16", &CpuFeatures::amx_bf16},
  };
  return names;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = features_of(read_words());
  return features;
}

}  // namespace vmoe
