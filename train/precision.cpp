#include "train/precision.h"

namespace vmoe {

NarrowWeights inference_weights(const Model& model, Precision precision) {
  const NarrowKernels* weights = narrow_kernels(find_precision(name_of(precision)));
  // Those that train take factors that lie either way.
  const NarrowKernels* bf16 = training_kernels(Precision::bf16);
  return {weights, model.exact_weights(), weights && bf16 && bf16->faster_than_fp32 ? bf16 : nullptr};
}

NarrowWeights training_weights(const Model& model, Precision precision) {
  return {training_kernels(find_training_precision(name_of(precision))), model.exact_weights()};
}

}  // namespace vmoe
