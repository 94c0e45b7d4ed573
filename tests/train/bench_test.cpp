// What a benchmark reports fits together; how fast it was is nobody's concern here.

#include "train/bench.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>

#include "tensor/kernels/kernels.h"
#include "tensor/matmul.h"
#include "train/bench_gemm.h"
#include "train/statistics.h"
#include "train/throughput.h"

using namespace vmoe;

namespace {

BenchOptions small_bench() {
  BenchOptions options;
  options.model.vit = {
      .image_size = 8, .patch_size = 4, .dim = 16, .depth = 2, .heads = 2, .mlp_dim = 24, .classes = 5};
  options.batch_size = 6;
  options.threads = 2;
  options.lanes = 3;
  options.seconds = 0;
  return options;
}

const KernelTime* find(const BenchResult& result, const std::string& name) {
  for (const KernelTime& kernel : result.kernels) {
    if (kernel.name == name) return &kernel;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("the median is the middle, or the mean of the two in the middle") {
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 4}) == 4);
  CHECK(median({9, 1, 4, 2}) == 3);
}

TEST_CASE("throughput lets every thread work, at least once") {
  std::atomic<int> calls[3] = {};
  const double rate = throughput(3, 0, [&](int thread) {
    ++calls[thread];
    return 1.0;
  });
  for (const auto& count : calls) CHECK(count == 1);
  CHECK(rate > 0);
  CHECK(measure_peak(1, 0) > 0);
}

TEST_CASE("a benchmark has as many rounds as asked for, and five steps or more") {
  BenchOptions options = small_bench();
  for (const int rounds : {1, 2, 7}) {
    options.rounds = rounds;
    const BenchResult result = bench_training(options);
    REQUIRE(static_cast<int>(result.rounds.size()) == rounds);
    CHECK(result.images_per_second == median(result.rounds));
    CHECK(result.steps == (rounds == 2 ? 6 : std::max(5, rounds)));
    CHECK(result.min_ms <= result.p50_ms);
    CHECK(result.p50_ms <= result.p95_ms);
    CHECK(result.peak_gflops > 0);
    CHECK(result.kernels.empty());
  }
}

TEST_CASE("a breakdown knows what a step consists of, and puts the kernels back") {
  const Kernels* before = &kernels();
  BenchOptions options = small_bench();
  options.breakdown = true;
  const BenchResult training = bench_training(options);
  CHECK(&kernels() == before);
  for (const char* name :
       {"pack", "gemm Y = X W^T", "gemm dX = dY W", "gemm attention", "gemm attention dV dK", "gelu",
        "gelu_backward", "softmax_backward", "layer_norm", "adamw"}) {
    CAPTURE(name);
    CHECK(find(training, name));
  }
  CHECK(find(training, blas_serves(*before) ? "OpenBLAS dW = dY^T X" : "gemm dW = dY^T X"));
  CHECK(!find(training, "multiply_adds"));  // the peaks are measured beside the steps
  double inside = 0;
  for (const KernelTime& kernel : training.kernels) inside += kernel.seconds;
  CHECK(inside <= training.seconds * options.threads);  // a thread is in one kernel at a time

  options.batch_size = 1;
  const BenchResult inference = bench_inference(options);
  CHECK(find(inference, "gemm Y = X W^T"));
  CHECK(!find(inference, "gelu_backward"));
  // Patches, four layers of two blocks, head.
  const double macs = 4 * 48 * 16 + 2 * 4 * 16 * (48 + 16 + 2 * 24) + 16 * 5;
  CHECK(find(inference, "gemm Y = X W^T")->flops == 2 * macs * static_cast<double>(inference.steps));
}

TEST_CASE("a batch whose images no memory holds is refused with the figures") {
  BenchOptions options = small_bench();
  options.model.vit.image_size = 4096;
  options.model.vit.patch_size = 4096;
  options.batch_size = 1 << 20;
  for (const auto bench : {bench_training, bench_inference}) {
    CHECK_THROWS_WITH_AS(bench(options), doctest::Contains("needs 201326592 MiB"), UsageError);
  }
  GemmOptions gemm;
  gemm.model.vit = options.model.vit;
  gemm.images = options.batch_size;
  CHECK_THROWS_WITH_AS(bench_gemm(gemm), doctest::Contains("--batch-size 1048576: a product needs"),
                       UsageError);
}

TEST_CASE("the products of a model are those of its layers and of a head") {
  GemmOptions options;
  options.model.vit = small_bench().model.vit;
  options.seconds = 0;
  options.rounds = 1;
  options.threads = 2;
  options.images = 3;
  const std::vector<GemmSpeed> speeds = bench_gemm(options);
  CHECK(speeds.size() == 6 * 3 + 2);
  const auto of = [&](const std::string& layer, const std::string& product) {
    return *std::find_if(speeds.begin(), speeds.end(), [&](const GemmSpeed& s) {
      return s.layer == layer && s.product.starts_with(product);
    });
  };
  CHECK(of("fc1", "Y").m == 3 * 4);
  CHECK(of("fc1", "Y").n == 24);
  CHECK(of("fc1", "Y").k == 16);
  CHECK(of("fc1", "dX").n == 16);
  CHECK(of("fc1", "dW").k == 3 * 4);
  CHECK(of("attention", "S").k == 8);
  CHECK(of("attention", "S").times == 6);
  for (const GemmSpeed& speed : speeds) {
    CHECK(speed.own > 0);
    CHECK((speed.blas > 0) == has_blas());
  }
}
