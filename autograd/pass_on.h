#pragma once
// The gradient of what is only passed on.

#include "autograd/tape.h"
#include "tensor/kernels/kernels.h"

namespace vmoe {

/// dx += dy, or dx = dy if nothing was added yet.
inline void pass_on(const Tape::Target& dx, Tensor dy) {
  real* const to = dx.tensor.data;
  if (dx.fresh) {
    kernels().scale(dy.count(), 1, dy.data, to);
  } else {
    kernels().add(dy.count(), to, dy.data, to);
  }
}

/// The same for the gradient of x, if it is wanted.
inline void pass_on(Tape& tape, Var x, Tensor dy) {
  if (tape.wants_grad(x)) pass_on(tape.grad_target(x), dy);
}

}  // namespace vmoe
