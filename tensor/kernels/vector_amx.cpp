// The products of vector_tiles.h on the machine's own tile registers. All processors with tiles have the
// AVX-512 sets that this file is compiled for, and narrow.cpp asks for every one of them.
//
// The instructions are written out because GCC 12's intrinsics take only literal numbers of tiles, no
// template's, and don't say that a load reads memory. Each is volatile: tiles are state that the compiler
// doesn't see, so none may be dropped or overtake another.
#ifndef VMOE_F64

#include "tensor/kernels/vector_tiles.h"

namespace vmoe {
namespace {

class HardwareTiles {
 public:
  explicit HardwareTiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }
  ~HardwareTiles() { asm volatile("tilerelease"); }
  HardwareTiles(const HardwareTiles&) = delete;
  HardwareTiles& operator=(const HardwareTiles&) = delete;

  template <int T>
  void load(TileName<T>, const std::byte* at, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(at), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  void store(TileName<T>, std::byte* at, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(at), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  void zero(TileName<T>) {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  // The assembler's order of operands is weights, rows, sums: Intel's manual names them the other way round.
  template <int C, int A, int B>
  void add_int8(TileName<C>, TileName<A>, TileName<B>) {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
  template <int C, int A, int B>
  void add_bf16(TileName<C>, TileName<A>, TileName<B>) {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};

}  // namespace

const NarrowKernels kInt8_amx = tile_kernels<Int8Format, HardwareTiles>("amx", Precision::int8);
const NarrowKernels kBf16_amx = tile_kernels<Bf16Format, HardwareTiles>("amx", Precision::bf16);

}  // namespace vmoe

#endif
