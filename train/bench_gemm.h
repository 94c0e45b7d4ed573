#pragma once
// How fast are the matrix products of a model, one by one?

#include <string>
#include <vector>

#include "moe/config.h"

namespace vmoe {

struct GemmOptions {
  ModelConfig model;
  int64_t images = 0;  // in a product; 0: as many as the trainer puts into one
  int threads = 1;     // each multiplies matrices of its own, as lanes do
  double seconds = 5;  // for all products together
  int rounds = 5;      // of each product, its contenders in turn; the median counts
};

/// C [m, n] = A [m, k] B [k, n], `times` of them. In GFLOP/s of all threads.
struct GemmSpeed {
  std::string layer;    // "qkv", "fc1", "attention", ...
  std::string product;  // "Y = X W^T", "dX = dY W", "dW = dY^T X", "S = Q K^T", "Y = P V"
  int64_t m, n, k, times;
  double own = 0;   // of the kernels in use; packing counts where the trainer packs for one product only
  double blas = 0;  // of OpenBLAS on one thread each; 0 where it is not linked
  double peak = 0;  // of the multiply-adds of the kernels in use, measured in the same moments
};

/// The number of images that `options.images` stands for.
int64_t images_of(const GemmOptions& options);

/// Products of one block (all blocks have the same), of the patch embedding and of the head.
std::vector<GemmSpeed> bench_gemm(const GemmOptions& options);

}  // namespace vmoe
