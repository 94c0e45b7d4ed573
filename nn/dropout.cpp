#include "nn/dropout.h"

#include "autograd/ops.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

// 0 with probability `rate`, else 1 / (1 - rate): the expectation is 1.
real keep_factor(Random& random, double rate) {
  return random.uniform() < rate ? real{0} : static_cast<real>(1 / (1 - rate));
}

Random draw(const Pass& pass, Stream stream, int64_t image, int layer) {
  return {pass.seed, stream, pass.epoch, pass.position + static_cast<uint32_t>(image),
          static_cast<uint16_t>(layer)};
}

template <class PieceOfRow>
Var drop_numbers(Pass& pass, Var x, double rate, int layer, int64_t per_image,
                 const PieceOfRow& piece_of_row) {
  if (!pass.training || rate == 0) return x;
  const Tensor mask = pass.tape.allocate(pass.tape.value(x).shape);
  for (int64_t row = 0; row < mask.dim(0); ++row) {
    const int64_t piece = piece_of_row(row);
    const Tensor factors = mask.row(row);
    Random random = draw(pass, Stream::dropout, piece / per_image, layer);
    random.skip(static_cast<uint64_t>(piece % per_image * factors.count()));
    for (real& factor : factors) factor = keep_factor(random, rate);
  }
  return mul(pass.tape, x, pass.tape.constant(mask));
}

}  // namespace

Var dropout(Pass& pass, Var x, double rate, int layer) {
  return drop_numbers(pass, x, rate, layer, 1, [](int64_t row) { return row; });
}

Var dropout(Pass& pass, Var x, double rate, int layer, View<const int> piece, int64_t per_image) {
  return drop_numbers(pass, x, rate, layer, per_image, [&](int64_t row) { return piece[row]; });
}

Var drop_path(Pass& pass, Var x, double rate, int layer) {
  if (!pass.training || rate == 0) return x;
  const Tensor factor = pass.tape.allocate({pass.tape.value(x).dim(0)});
  for (int64_t b = 0; b < factor.count(); ++b) {
    Random random = draw(pass, Stream::drop_path, b, layer);
    factor[b] = keep_factor(random, rate);
  }
  return scale_images(pass.tape, x, pass.tape.constant(factor));
}

}  // namespace vmoe
