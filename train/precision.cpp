#include "train/precision.h"

namespace vmoe {

NarrowWeights inference_weights(const Model& model, Precision precision) {
  return {narrow_kernels(find_precision(name_of(precision))), model.exact_weights()};
}

NarrowWeights training_weights(const Model& model, Precision precision) {
  return {training_kernels(find_training_precision(name_of(precision))), model.exact_weights()};
}

}  // namespace vmoe
