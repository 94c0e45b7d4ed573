#pragma once
// The table of routers: one row each, one file each.

#include <cstdint>
#include <span>
#include <string>

#include "moe/routing.h"

namespace vmoe {

/// Who chooses the experts of a unit. `even` gives unit number n the experts n, n+1, .. (mod E) whatever the
/// router thinks, with the router's gates: for benchmarks, because an untrained router sends nearly all to a
/// few experts.
enum class Choice { learned, even };

/// What a router sends: whole images, once for all MoE blocks, or tokens, anew in every MoE block.
enum class Unit { image, token };
const char* name_of(Unit unit);

struct RouterSettings {
  int top_k = 1;
  bool renormalise = false;  // gates are divided by the sum of a unit's K gates
  Choice choice = Choice::learned;
  /// Place in the epoch of the first unit's image. Errors and `even` count from it.
  uint32_t position = 0;
  int units_per_image = 1;
};

/// A row: what `--router NAME` means.
struct Router {
  const char* name;
  Unit unit;
  /// Decides for the units of one group: units [T, D], weight [E, D].
  const Routing& (*route)(Tape& tape, Var units, Var weight, const RouterSettings& settings);
};

std::span<const Router> routers();

/// Throws UsageError listing the names if there is none of this name.
const Router& find_router(const std::string& name);

}  // namespace vmoe
