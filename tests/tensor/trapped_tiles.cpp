#include "tests/tensor/trapped_tiles.h"

#include "tensor/kernels/cpu_features.h"

#if defined(__x86_64__) && defined(__linux__)

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "tests/tensor/emulated_tiles.h"

namespace vmoe::testing {

namespace {

std::atomic<int64_t> count = 0;
struct sigaction before;
thread_local TileRegisters registers;

uint64_t value_of(const mcontext_t& context, int number) {
  static constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return static_cast<uint64_t>(context.gregs[kOrder[number]]);
}

/// An instruction with a three-byte VEX prefix, of map 0F38, 128 bits, W0 (Intel's Software Developer's
/// Manual, volume 2, sections 2.1 and 2.3).
struct Instruction {
  bool understood = false;
  int prefix = 0;  // 0 none, 1 66, 2 F3, 3 F2
  int opcode = 0;
  int mod = 0, reg = 0, rm = 0, vvvv = 0;
  bool has_index = false;
  std::byte* base = nullptr;  // with the displacement
  int64_t index = 0;          // scaled
  int length = 0;
};

int64_t displacement(const uint8_t* at, int bytes) {
  if (bytes == 1) return static_cast<int8_t>(*at);
  int32_t value = 0;
  if (bytes == 4) std::memcpy(&value, at, sizeof value);
  return value;
}

void decode_address(const mcontext_t& context, const uint8_t* code, bool x, bool b, Instruction& i) {
  int at = 5;
  int base = i.rm;
  if (i.rm == 4) {
    const int sib = code[at++], index = (sib >> 3 & 7) | x << 3;
    base = sib & 7;
    i.has_index = index != 4;
    if (i.has_index) i.index = static_cast<int64_t>(value_of(context, index) << (sib >> 6));
  }
  const bool no_base = i.mod == 0 && base == 5, next_instruction = no_base && i.rm == 5;
  const int bytes = i.mod == 1 ? 1 : i.mod == 2 || no_base ? 4 : 0;
  uint64_t address = no_base ? 0 : value_of(context, base | b << 3);
  address += static_cast<uint64_t>(displacement(code + at, bytes));
  i.length = at + bytes;
  if (next_instruction) address += reinterpret_cast<uint64_t>(code) + static_cast<uint64_t>(i.length);
  i.base = reinterpret_cast<std::byte*>(address);
}

Instruction decode(const mcontext_t& context) {
  const auto* code = reinterpret_cast<const uint8_t*>(context.gregs[REG_RIP]);
  Instruction i;
  constexpr int kMap0f38 = 2;
  if (code[0] != 0xc4 || (code[1] & 0x1f) != kMap0f38 || (code[2] & 0x84) != 0) return i;
  i.understood = true;
  i.prefix = code[2] & 3;
  i.vvvv = ~code[2] >> 3 & 15;
  i.opcode = code[3];
  i.mod = code[4] >> 6;
  i.reg = (code[4] >> 3 & 7) | ((code[1] & 0x80) == 0) << 3;
  i.rm = code[4] & 7;
  i.length = 5;
  if (i.mod != 3) decode_address(context, code, (code[1] & 0x40) == 0, (code[1] & 0x20) == 0, i);
  return i;
}

/// False if it is no tile instruction that we know.
bool perform(const Instruction& i) {
  constexpr int kNone = 0, kF3 = 2, kF2 = 3;
  const bool memory = i.mod != 3;
  switch (i.opcode) {
    case 0x49:
      if (i.prefix == kNone && memory && i.reg == 0) return registers.configure(i.base + i.index), true;
      if (i.prefix == kNone && !memory && i.reg == 0 && i.rm == 0) return registers.release(), true;
      if (i.prefix == kF2 && !memory && i.rm == 0) return registers.zero(i.reg), true;
      return false;
    case 0x4b:
      if (!memory || i.rm != 4 || !i.has_index) return false;
      if (i.prefix == kF2) return registers.load(i.reg, i.base, i.index), true;
      if (i.prefix == kF3) return registers.store(i.reg, i.base, i.index), true;
      return false;
    case 0x5e:
      return i.prefix == kF2 && !memory && (registers.add_int8(i.reg, i.rm, i.vvvv), true);
    case 0x5c:
      return i.prefix == kF3 && !memory && (registers.add_bf16(i.reg, i.rm, i.vvvv), true);
    default:
      return false;
  }
}

void on_illegal_instruction(int, siginfo_t*, void* context_of_signal) {
  mcontext_t& context = static_cast<ucontext_t*>(context_of_signal)->uc_mcontext;
  const Instruction instruction = decode(context);
  try {
    if (instruction.understood && perform(instruction)) {
      context.gregs[REG_RIP] += instruction.length;
      ++count;
      return;
    }
  } catch (const std::logic_error&) {  // against the rules: a fault on a processor with tiles, too
  }
  sigaction(SIGILL, &before, nullptr);  // and the instruction is met again
}

}  // namespace

bool can_trap_tiles() {
#ifdef VMOE_F64
  return false;
#else
  const CpuFeatures& cpu = cpu_features();
  return cpu.avx512_bf16 && !cpu.amx_tile;
#endif
}

int64_t with_trapped_tiles(const std::function<void()>& work) {
  count = 0;
  struct sigaction ours = {};
  ours.sa_sigaction = on_illegal_instruction;
  ours.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &ours, &before);
  work();
  sigaction(SIGILL, &before, nullptr);
  return count;
}

bool trapped_tiles_held() {
  return registers.configured();
}

}  // namespace vmoe::testing

#else

namespace vmoe::testing {

bool can_trap_tiles() {
  return false;
}
int64_t with_trapped_tiles(const std::function<void()>&) {
  return 0;
}
bool trapped_tiles_held() {
  return false;
}

}  // namespace vmoe::testing

#endif
