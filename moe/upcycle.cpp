#include "moe/upcycle.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tensor/error.h"
#include "tensor/random.h"

namespace vmoe {

namespace {

// blocks.3.moe.experts.fc1.weight -> blocks.3.mlp.fc1.weight, the same for `shared`; other names stay.
std::string dense_name(std::string name) {
  for (const std::string part : {".moe.experts.", ".moe.shared."}) {
    if (const size_t at = name.find(part); at != std::string::npos)
      return name.replace(at, part.size(), ".mlp.");
  }
  return name;
}

// A shared expert's output is added to that of the copies, so at first it must be zero.
bool starts_at_zero(const std::string& name) {
  return name.find(".moe.shared.fc2.") != std::string::npos;
}

double root_mean_square(Tensor values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum / static_cast<double>(values.count()));
}

void add_noise(Tensor values, double deviation, Random random) {
  for (real& value : values) value += static_cast<real>(deviation * random.normal());
}

void require_same_transformer(const Model& dense, const Model& mixture) {
  if (dense.config().moe.is_dense() && dense.config().vit == mixture.config().vit) return;
  throw Error(ExitCode::internal, "upcycling needs a dense model and a mixture of the same transformer");
}

}  // namespace

void upcycle(const Model& dense, Model& mixture, const UpcycleOptions& options) {
  require_same_transformer(dense, mixture);
  mixture.initialise(options.seed);
  const ParameterStore &from = dense.parameters(), &to = mixture.parameters();
  for (int i = 0; i < to.count(); ++i) {
    const Parameter& parameter = to[{i}];
    const ParamId source = from.find(dense_name(parameter.name));
    if (!source) continue;
    const Tensor trained = from.value(source), target = to.value({i});
    if (starts_at_zero(parameter.name)) {
      std::fill(target.begin(), target.end(), real{0});
      continue;
    }
    const int copies = std::max(1, parameter.experts);
    for (int e = 0; e < copies; ++e) {
      const Tensor copy = parameter.experts > 0 ? target.row(e) : target;
      std::copy(trained.begin(), trained.end(), copy.begin());
      if (options.perturb == 0 || parameter.experts == 0 || parameter.role != Role::weight) continue;
      add_noise(copy, options.perturb * root_mean_square(trained),
                Random(options.seed, Stream::upcycle, static_cast<uint32_t>(e), static_cast<uint32_t>(i)));
    }
  }
}

}  // namespace vmoe
