#include "moe/balance.h"

#include <algorithm>
#include <numeric>

#include "autograd/ops.h"

namespace vmoe {

namespace {

int decisions_of(const ModelConfig& config) {
  return config.moe.balance_weight == 0 ? 0 : static_cast<int>(config.deciding_blocks().size());
}

}  // namespace

ExpertLoad::ExpertLoad(const ModelConfig& config)
    : experts_(config.moe.experts), counts_(static_cast<size_t>(decisions_of(config)) * config.moe.experts) {}

void ExpertLoad::clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
}

void ExpertLoad::add(const Model::Output& output) {
  if (counts_.empty()) return;
  int64_t* row = counts_.data();
  for (const Routing* routing : output.routings) {
    for (int e = 0; e < experts_; ++e) row[e] += routing->first[e + 1] - routing->first[e];
    row += experts_;
  }
}

void ExpertLoad::add(const ExpertLoad& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

void ExpertLoad::shares(int decision, Tensor f) const {
  const int64_t* row = counts_.data() + int64_t{decision} * experts_;
  const auto total = static_cast<double>(std::accumulate(row, row + experts_, int64_t{0}));
  for (int e = 0; e < experts_; ++e)
    f[e] = static_cast<real>(total == 0 ? 1.0 / experts_ : static_cast<double>(row[e]) / total);
}

bool ExpertLoad::set_counts(const std::vector<int64_t>& counts) {
  if (counts.empty()) {
    clear();
    return true;
  }
  if (counts.size() != counts_.size()) return false;
  std::copy(counts.begin(), counts.end(), counts_.begin());
  return true;
}

// E sum_e f_e mean_t p_te for each decision: a factor f_e for every column of p, then one sum.
Var balance_loss(Tape& tape, const Model::Output& output, const MoeConfig& config, const ExpertLoad& before,
                 int64_t batch) {
  Var total;
  if (config.balance_weight == 0) return total;
  const int64_t images = tape.value(output.logits).dim(0);
  int decision = 0;
  for (const Routing* routing : output.routings) {
    const Tensor f = tape.allocate({routing->experts});
    before.shares(decision++, f);
    const Var sums = sum(tape, scale_channels(tape, routing->probabilities, tape.constant(f)));
    const double units = static_cast<double>(batch) * static_cast<double>(routing->units / images);
    const Var loss = scale(tape, sums, static_cast<real>(config.balance_weight * routing->experts / units));
    total = total ? add(tape, total, loss) : loss;
  }
  return total;
}

}  // namespace vmoe
