#include "tests/tensor/emulated_tables.h"

#include <atomic>

#ifndef VMOE_F64
#include "tensor/kernels/vector_tiles.h"
#include "tests/tensor/emulated_tiles.h"
#endif

namespace vmoe::testing {

namespace {

std::atomic<int> held = 0;

#ifndef VMOE_F64
class EmulatedTiles : public TileRegisters {
 public:
  explicit EmulatedTiles(const TileShapes& shapes) {
    configure(&shapes);
    ++held;
  }
  ~EmulatedTiles() { --held; }
};

const NarrowKernels kInt8 = tile_kernels<Int8Format, EmulatedTiles>("emulated tiles", Precision::int8);
const NarrowKernels kBf16 = tile_kernels<Bf16Format, EmulatedTiles>("emulated tiles", Precision::bf16);
#endif

}  // namespace

const std::vector<const NarrowKernels*>& emulated_narrow_kernels() {
#ifndef VMOE_F64
  static const std::vector<const NarrowKernels*> tables = {&kInt8, &kBf16};
#else
  static const std::vector<const NarrowKernels*> tables;
#endif
  return tables;
}

bool emulated_tiles_held() {
  return held != 0;
}

}  // namespace vmoe::testing
