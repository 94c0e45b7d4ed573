#include "tensor/kernels/narrow_proof.h"

#include <cmath>
#include <cstring>
#include <map>

namespace vmoe {

namespace {

/// A product x w^T + bias + base: rows x [m, k], weights w [n, k], bias [n], base [m, n], numbers from -1
/// to 1.
struct Sample {
  int64_t m, n, k;
  std::vector<real> x, w, bias, base;

  Sample(int64_t m, int64_t n, int64_t k) : m(m), n(n), k(k), x(m * k), w(n * k), bias(n), base(m * n) {
    uint32_t state = 1;
    for (std::vector<real>* part : {&x, &w, &bias, &base}) {
      for (real& value : *part) {
        state = state * 1664525 + 1013904223;  // Knuth's "quick and dirty" generator
        value = static_cast<real>(static_cast<int32_t>(state)) / real{2147483648.0};
      }
    }
  }
};

std::vector<real> product_by(const NarrowKernels& table, const Sample& s) {
  std::vector<std::byte> rows(s.m * table.row_bytes(s.k)), packed(table.packed_bytes(s.k, s.n));
  std::vector<real> y(s.m * s.n, std::nanf(""));
  table.pack(s.k, s.n, s.w.data(), s.k, packed.data());
  table.encode(s.m, s.k, s.x.data(), s.k, rows.data());
  table.gemm({.m = s.m,
              .n = s.n,
              .k = s.k,
              .a = rows.data(),
              .b = packed.data(),
              .c = y.data(),
              .c_row = s.n,
              .bias = s.bias.data(),
              .base = s.base.data()});
  return y;
}

std::vector<real> transposed(int64_t rows, int64_t columns, const std::vector<real>& x) {
  std::vector<real> turned(x.size());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) turned[j * rows + i] = x[i * columns + j];
  }
  return turned;
}

/// Whether a table that trains makes the same codes of transposed matrices.
bool codes_agree(const NarrowKernels& table, const Sample& s) {
  if (!table.trains()) return true;
  std::vector<std::byte> rows(s.m * table.row_bytes(s.k)), packed(table.packed_bytes(s.k, s.n)),
      turned_rows(rows.size()), turned(packed.size());
  table.encode(s.m, s.k, s.x.data(), s.k, rows.data());
  table.encode_transposed(s.m, s.k, transposed(s.m, s.k, s.x).data(), s.m, turned_rows.data());
  table.pack(s.k, s.n, s.w.data(), s.k, packed.data());
  table.pack_transposed(s.k, s.n, transposed(s.n, s.k, s.w).data(), s.n, turned.data());
  return rows == turned_rows && packed == turned;
}

/// The bound of narrow.h for element (i, j), with the sum of magnitudes taken before rounding to bf16, which
/// adds at most 1 %.
double bf16_bound(const Sample& s, int64_t i, int64_t j) {
  double sum = std::fabs(double{s.bias[j]}) + std::fabs(double{s.base[i * s.n + j]});
  for (int64_t p = 0; p < s.k; ++p) sum += std::fabs(double{s.x[i * s.k + p]} * s.w[j * s.k + p]);
  return bf16_order_bound(s.k + 1, 1.01 * sum);
}

bool agrees(Precision precision, const std::vector<real>& y, const std::vector<real>& want, const Sample& s) {
  if (precision == Precision::int8) return std::memcmp(y.data(), want.data(), y.size() * sizeof(real)) == 0;
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      const double error = std::fabs(double{y[i * s.n + j]} - want[i * s.n + j]);
      if (!(error <= bf16_bound(s, i, j))) return false;
    }
  }
  return true;
}

}  // namespace

ProvenKernels prove(const std::vector<const NarrowKernels*>& tables) {
  std::vector<bool> right(tables.size(), true);
  for (const Sample& sample : {Sample(53, 39, 131), Sample(1, 1, 1)}) {
    std::map<Precision, std::vector<real>> wanted;  // the first table's of each precision
    for (size_t i = 0; i < tables.size(); ++i) {
      const Precision precision = tables[i]->precision;
      const std::vector<real> y = product_by(*tables[i], sample);
      const auto [definition, is_first] = wanted.try_emplace(precision, y);
      right[i] = right[i] && codes_agree(*tables[i], sample) &&
                 (is_first || agrees(precision, y, definition->second, sample));
    }
  }
  ProvenKernels proven;
  for (size_t i = 0; i < tables.size(); ++i)
    (right[i] ? proven.offered : proven.refused).push_back(tables[i]);
  return proven;
}

}  // namespace vmoe
