#include "nn/sequence_pool.h"

#include "autograd/ops.h"

namespace vmoe {

Var SequencePool::forward(Pass& pass, Var x) const {
  Tape& tape = pass.tape;
  const Shape shape = tape.value(x).shape;
  const int64_t batch = shape[0], tokens = shape[1], dim = shape[2];
  const Var scores = reshape(tape, attention_pool.forward(pass, x), {batch, tokens});
  const Var weights = reshape(tape, softmax(tape, scores), {batch, 1, tokens});
  return reshape(tape, matmul(tape, weights, x), {batch, dim});
}

}  // namespace vmoe
