#include "train/schedule.h"

#include <algorithm>

#include "tensor/math.h"

namespace vmoe {

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  const double span = static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
  const double t = std::min(1.0, static_cast<double>(step - warmup_steps) / span);
  return floor + 0.5 * (peak - floor) * (1 + math::cos(math::kPi * t));
}

}  // namespace vmoe
