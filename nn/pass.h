#pragma once
// What every module needs to know about the chunk that runs through the model.

#include <algorithm>
#include <cstdint>

#include "autograd/tape.h"

namespace vmoe {

/// One chunk of images on its way through a model. `position` is the place in the epoch of the chunk's first
/// image: dropout and drop path draw the numbers of image b from (seed, epoch, position + b, layer), so that
/// they depend neither on how a batch is cut into chunks nor on threads. Without `training` nothing is
/// dropped.
struct Pass {
  Tape& tape;
  bool training = false;
  uint64_t seed = 0;
  uint32_t epoch = 0;
  uint32_t position = 0;
};

/// y = body(x) for a stage whose output has the shape of its input. When the tape records, this is just the
/// call. Otherwise nobody will read the stage's activations or x again: y is written over x, and all memory
/// that the stage took is given back, so that inference needs one stage's memory however deep the model is.
/// x must be a result of ops on this tape (never memory of the caller or of the store).
template <class Body>
Var in_place_unless_recording(Pass& pass, Var x, const Body& body) {
  Tape& tape = pass.tape;
  if (tape.recording()) return body(x);
  const Arena::Mark mark = tape.arena().mark();
  const Tensor y = tape.value(body(x));
  const Tensor kept = tape.value(x);
  std::copy(y.begin(), y.end(), kept.begin());
  tape.arena().release(mark);
  return x;
}

}  // namespace vmoe
