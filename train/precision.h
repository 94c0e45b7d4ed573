#pragma once
// In which precision a model's products are computed.

#include "moe/model.h"
#include "tensor/kernels/narrow.h"

namespace vmoe {

/// What a model's weights are packed with for inference, all but Model::exact_weights(); nothing for fp32.
/// With fewer bits attention's own products are in bf16 where that is faster than fp32: values between 0 and
/// 1 over all tokens would lose more in 8-bit integers.
/// Throws UsageError if `precision` cannot be had.
NarrowWeights inference_weights(const Model& model, Precision precision);

/// The same for training in mixed precision (Micikevicius et al. 2018, arXiv:1710.03740, with bfloat16, whose
/// range is that of fp32, so that no loss is scaled: Kalamkar et al. 2019, arXiv:1905.12322). Weights,
/// moments, gradients and sums stay in fp32; both factors of a layer's three products are rounded.
NarrowWeights training_weights(const Model& model, Precision precision);

}  // namespace vmoe
