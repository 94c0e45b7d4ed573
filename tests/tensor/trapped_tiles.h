#pragma once
// Tile instructions on a processor without them: it stops at each one (SIGILL), and a handler decodes it and
// does its work on emulated registers. So the program's own machine code, registers' numbers, addresses and
// configuration included, runs on every machine with AVX-512.

#include <cstdint>
#include <functional>

namespace vmoe::testing {

/// Whether this machine stops at tile instructions, but has all else that the tables with them need. Where it
/// has them, they are tested as they are.
bool can_trap_tiles();

/// Runs `work` with the handler in place; returns how many instructions it did. Whatever else is illegal ends
/// the program, as it would without. Not to be called from two threads at once; `work` may have several.
int64_t with_trapped_tiles(const std::function<void()>& work);

/// Whether this thread has tiles configured.
bool trapped_tiles_held();

}  // namespace vmoe::testing
