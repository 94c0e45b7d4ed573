// Layer normalisation (Ba, Kiros, Hinton 2016, arXiv:1607.06450).

#include "autograd/ops.h"
#include "tensor/kernels/kernels.h"

namespace vmoe {

// h = (x - mean) rstd,  y = h gain + bias
// rstd = 1 / sqrt(variance + eps), variance over D (divided by D)
// dgain += sum over rows of dy h,  dbias += sum over rows of dy
// dx += rstd (g - mean(g) - h mean(g h))  with g = dy gain
Var layer_norm(Tape& tape, Var x, Var gain, Var bias, real eps) {
  const Tensor X = tape.value(x);
  const int64_t rows = X.shape.rows(), width = X.dim(-1);
  const real* g = nullptr;
  if (gain) {
    require_shape("layer_norm: gain", tape.value(gain).shape, {width});
    require_shape("layer_norm: bias", tape.value(bias).shape, {width});
    g = tape.value(gain).data;
  }
  const Tensor y = tape.allocate(X.shape), mean = tape.allocate({rows}), rstd = tape.allocate({rows});
  kernels().layer_norm(rows, width, X.data, g, gain ? tape.value(bias).data : nullptr, eps, y.data, mean.data,
                       rstd.data);
  return tape.record(y, {x, gain, bias}, [=](Tape& tape, Tensor dy) {
    // One pass makes all three gradients; those of constants are computed and ignored.
    const auto [dx, fresh] = tape.grad_target(x);
    kernels().layer_norm_backward(rows, width, X.data, g, mean.data, rstd.data, dy.data, dx.data, !fresh,
                                  gain ? tape.grad(gain).data : nullptr,
                                  gain ? tape.grad(bias).data : nullptr);
  });
}

}  // namespace vmoe
