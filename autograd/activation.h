#pragma once
// The activation functions of a feed-forward network.

namespace vmoe {

/// GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415), exact or by its tanh approximation.
enum class Activation { gelu, gelu_tanh };

}  // namespace vmoe
