#include "train/bench_gemm.h"

#include <array>

#include "tensor/lanes.h"
#include "tensor/matmul.h"
#include "tensor/random.h"
#include "train/bench.h"
#include "train/memory.h"
#include "train/statistics.h"
#include "train/throughput.h"

namespace vmoe {

namespace {

std::vector<real> random_numbers(int64_t count) {
  std::vector<real> numbers(count);
  Random random(0, Stream::bench);
  for (real& number : numbers) number = static_cast<real>(random.uniform(-1, 1));
  return numbers;
}

// How the factors lie and how often: the two kinds of products.
struct Layout {
  bool a_turned;     // A [m, k] is stored as [k, m]
  bool b_turned;     // B [k, n] is stored as [n, k]
  bool packed_once;  // B is a weight, packed before; else it is packed for this product
  bool add;          // C += A B
};

// One thread's matrices: `times` products lie one after the other and share B only if that is a weight.
class Matrices {
 public:
  Matrices(const GemmSpeed& shape, const Layout& layout)
      : shape_(shape),
        layout_(layout),
        a_(random_numbers(shape.times * shape.m * shape.k)),
        b_(random_numbers((layout.packed_once ? 1 : shape.times) * shape.k * shape.n)),
        c_(shape.times * shape.m * shape.n),
        packed_(kernels().packed_size(shape.k, shape.n)) {
    kernels().pack(shape.k, shape.n, b(0).data, b(0).row, b(0).column, packed_.data());
  }

  void multiply_own() {
    const auto [m, n, k] = std::array{shape_.m, shape_.n, shape_.k};
    for (int64_t i = 0; i < shape_.times; ++i) {
      if (!layout_.packed_once) {
        multiply_once(packed_.data(), m, n, k, a(i), b(i), c(i), n, layout_.add);
      } else {
        kernels().gemm({.m = m,
                        .n = n,
                        .k = k,
                        .a = a(i).data,
                        .a_row = a(i).row,
                        .a_column = a(i).column,
                        .b = packed_.data(),
                        .c = c(i),
                        .c_row = n,
                        .add = layout_.add,
                        .bias = nullptr});
      }
    }
  }

  void multiply_blas() {
    for (int64_t i = 0; i < shape_.times; ++i) {
      blas_multiply(shape_.m, shape_.n, shape_.k, a(i), b(i), c(i), shape_.n, layout_.add);
    }
  }

 private:
  Matrix a(int64_t i) const {
    const Matrix matrix{a_.data() + i * shape_.m * shape_.k, shape_.k, 1};
    return layout_.a_turned ? Matrix{matrix.data, 1, shape_.m} : matrix;
  }
  Matrix b(int64_t i) const {
    const real* data = b_.data() + (layout_.packed_once ? 0 : i * shape_.k * shape_.n);
    return layout_.b_turned ? Matrix{data, 1, shape_.k} : Matrix{data, shape_.n, 1};
  }
  real* c(int64_t i) { return c_.data() + i * shape_.m * shape_.n; }

  GemmSpeed shape_;
  Layout layout_;
  std::vector<real> a_, b_, c_, packed_;
};

struct Case {
  GemmSpeed shape;
  Layout layout;
};

// The products of a layer with a weight [out, in] on `rows` rows.
void add_layer(std::vector<Case>& cases, const std::string& name, int64_t rows, int64_t in, int64_t out) {
  cases.push_back({{name, "Y = X W^T", rows, out, in, 1}, {false, true, true, false}});
  cases.push_back({{name, "dX = dY W", rows, in, out, 1}, {false, false, true, false}});
  cases.push_back({{name, "dW = dY^T X", out, in, rows, 1}, {true, false, false, true}});
}

std::vector<Case> cases_of(const VitConfig& vit, int64_t images) {
  const int64_t tokens = vit.tokens(), rows = images * tokens, dim = vit.dim, size = dim / vit.heads;
  std::vector<Case> cases;
  if (vit.tokenizer == TokenizerKind::patch) {
    add_layer(cases, "patches", images * vit.grid() * vit.grid(),
              int64_t{vit.channels} * vit.patch_size * vit.patch_size, dim);
  }
  add_layer(cases, "qkv", rows, dim, 3 * dim);
  add_layer(cases, "proj", rows, dim, dim);
  add_layer(cases, "fc1", rows, dim, vit.mlp_dim);
  add_layer(cases, "fc2", rows, vit.mlp_dim, dim);
  add_layer(cases, "head", images, dim, vit.classes);
  cases.push_back(
      {{"attention", "S = Q K^T", tokens, tokens, size, images * vit.heads}, {false, true, false, false}});
  cases.push_back(
      {{"attention", "Y = P V", tokens, size, tokens, images * vit.heads}, {false, false, false, false}});
  return cases;
}

// The median speeds of one case; its contenders take turns, each `seconds` at a time.
GemmSpeed measure(const Case& c, const GemmOptions& options, double seconds) {
  std::vector<Matrices> matrices(options.threads, Matrices(c.shape, c.layout));
  const double flops =
      2e-9 * static_cast<double>(c.shape.m * c.shape.n) * static_cast<double>(c.shape.k * c.shape.times);
  std::vector<double> own, blas, peak;
  for (int i = 0; i < options.rounds; ++i) {
    peak.push_back(measure_peak(options.threads, seconds));
    own.push_back(throughput(options.threads, seconds, [&](int thread) {
      matrices[thread].multiply_own();
      return flops;
    }));
    if (!has_blas()) continue;
    blas.push_back(throughput(options.threads, seconds, [&](int thread) {
      matrices[thread].multiply_blas();
      return flops;
    }));
  }
  GemmSpeed speed = c.shape;
  speed.own = median(own);
  speed.blas = blas.empty() ? 0 : median(blas);
  speed.peak = median(peak);
  return speed;
}

// Bytes of one thread's matrices.
double bytes_of(const Case& c) {
  const auto m = static_cast<double>(c.shape.m), n = static_cast<double>(c.shape.n),
             k = static_cast<double>(c.shape.k), times = static_cast<double>(c.shape.times);
  return sizeof(real) * (times * (m * k + m * n) + ((c.layout.packed_once ? 1 : times) + 1) * k * n);
}

}  // namespace

int64_t images_of(const GemmOptions& options) {
  constexpr int64_t kBatch = 128;  // what `vmoe train` does by default
  constexpr int kLanes = 16;
  return options.images > 0 ? options.images : plan_lanes(kBatch, kLanes, options.model.vit.tokens()).chunk;
}

std::vector<GemmSpeed> bench_gemm(const GemmOptions& options) {
  const std::vector<Case> cases = cases_of(options.model.vit, images_of(options));
  for (const Case& c : cases) {
    require_memory("--batch-size " + std::to_string(images_of(options)) + ": a product",
                   static_cast<double>(options.threads + 1) * bytes_of(c));
  }
  const double contenders = has_blas() ? 3 : 2;  // the peak is one
  const double seconds = options.seconds / (static_cast<double>(cases.size()) * options.rounds * contenders);
  std::vector<GemmSpeed> speeds;
  for (const Case& c : cases) speeds.push_back(measure(c, options, seconds));
  return speeds;
}

}  // namespace vmoe
