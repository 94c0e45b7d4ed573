#include "train/optimizer.h"

#include <algorithm>

#include "tensor/math.h"

namespace vmoe {

namespace {

constexpr int64_t kPiece =
    16384;  // numbers: gradient, weight and moments of a piece fit the second-level cache

}  // namespace

Optimizer::Optimizer(ParameterStore& store, const AdamWConfig& config) : store_(store), config_(config) {
  const int64_t size = store.size();
  memory_.reserve((config.ema_decay > 0 ? 3 : 2) * (size * sizeof(real) + Arena::kAlignment));
  m_ = memory_.allocate<real>(size);
  v_ = memory_.allocate<real>(size);
  std::fill(m_, m_ + size, real{0});
  std::fill(v_, v_ + size, real{0});
  if (config.ema_decay > 0) {
    ema_ = memory_.allocate<real>(size);
    restart_average();
  }
  for (const Parameter& parameter : store.all()) {
    const int64_t count = parameter.shape.count();
    for (int64_t first = 0; first < count; first += kPiece) {
      pieces_.push_back(
          {parameter.offset + first, std::min(kPiece, count - first), parameter.role == Role::weight});
    }
  }
}

double Optimizer::sum_of_squares(int piece, const real* gradient) const {
  return kernels().sum_of_squares(pieces_[piece].count, gradient + pieces_[piece].first);
}

void Optimizer::update(int piece, int64_t step, double lr, double gradient_scale, const real* gradient) {
  const auto [first, count, decay] = pieces_[piece];
  const AdamWStep s{static_cast<real>(lr),
                    static_cast<real>(config_.beta1),
                    static_cast<real>(config_.beta2),
                    static_cast<real>(config_.epsilon),
                    static_cast<real>(decay ? config_.weight_decay : 0),
                    static_cast<real>(1 - math::pow(config_.beta1, static_cast<double>(step))),
                    static_cast<real>(1 - math::pow(config_.beta2, static_cast<double>(step))),
                    static_cast<real>(gradient_scale)};
  kernels().adamw(count, s, gradient + first, store_.data() + first, m_ + first, v_ + first);
  if (ema_) {
    kernels().scale(count, static_cast<real>(config_.ema_decay), ema_ + first, ema_ + first);
    kernels().axpy(count, static_cast<real>(1 - config_.ema_decay), store_.data() + first, ema_ + first);
  }
}

void Optimizer::restart_average() {
  if (ema_) std::copy(store_.data(), store_.data() + store_.size(), ema_);
}

}  // namespace vmoe
