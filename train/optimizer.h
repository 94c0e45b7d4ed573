#pragma once
// AdamW over a whole ParameterStore (Loshchilov and Hutter 2019, arXiv:1711.05101), with an exponential
// moving average of the weights. Work is cut into fixed pieces, so that threads can share it in any way.

#include <vector>

#include "tensor/arena.h"
#include "tensor/kernels/kernels.h"
#include "tensor/parameter_store.h"

namespace vmoe {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0.05;  // on parameters of role `weight`
  double ema_decay = 0;        // 0: no average
};

class Optimizer {
 public:
  Optimizer(ParameterStore& store, const AdamWConfig& config);

  int pieces() const { return static_cast<int>(pieces_.size()); }
  /// Sum of squares of piece i of a gradient laid out like the store.
  double sum_of_squares(int piece, const real* gradient) const;
  /// Updates piece i. `step` counts from 1; `gradient_scale` multiplies the gradient (clipping).
  void update(int piece, int64_t step, double lr, double gradient_scale, const real* gradient);

  /// Moments and average in the layout of the store (the average is null without EMA).
  real* first_moment() { return m_; }
  real* second_moment() { return v_; }
  real* average() { return ema_; }
  /// The weights to deploy: the average when there is one.
  const real* deployed() const { return ema_ ? ema_ : store_.data(); }
  /// Starts the average from the weights as they are now.
  void restart_average();

 private:
  struct Piece {
    int64_t first, count;
    bool decay;
  };
  ParameterStore& store_;
  AdamWConfig config_;
  Arena memory_;
  real *m_, *v_, *ema_ = nullptr;
  std::vector<Piece> pieces_;
};

}  // namespace vmoe
