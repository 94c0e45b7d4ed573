// The proof before use: tables that compute wrongly are not offered.

#include "tensor/kernels/narrow_proof.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/narrow_tables.h"

using namespace vmoe;

namespace {

const NarrowKernels* plain_of(Precision precision) {
  for (const NarrowKernels* table : available_narrow_kernels()) {
    if (table->precision == precision) return table;
  }
  return nullptr;
}

/// The plain table of a precision, but with this product.
NarrowKernels table_with(Precision precision, void (*gemm)(const NarrowGemm&)) {
  NarrowKernels table = *plain_of(precision);
  table.name = "wrong";
  table.gemm = gemm;
  return table;
}

/// What becomes of this table beside the plain ones.
bool is_refused(const NarrowKernels& table) {
  const ProvenKernels proven = prove({plain_of(Precision::int8), plain_of(Precision::bf16), &table});
  CHECK(proven.offered.size() + proven.refused.size() == 3);
  CHECK(proven.offered.size() >= 2);
  return proven.refused == std::vector<const NarrowKernels*>{&table};
}

template <Precision precision>
void product_without_last_row(const NarrowGemm& g) {
  NarrowGemm part = g;
  if (g.m > 1) part.m = g.m - 1;
  plain_of(precision)->gemm(part);
}

template <Precision precision>
void product_of_shorter_rows(const NarrowGemm& g) {
  std::vector<std::byte> rows(g.m * plain_of(precision)->row_bytes(g.k));
  std::memcpy(rows.data(), g.a, rows.size());
  if (g.k > 1)
    rows[rows.size() - 4] = rows[rows.size() - 3] = std::byte{0};  // 4: the last number, as encoded
  NarrowGemm part = g;
  part.a = rows.data();
  plain_of(precision)->gemm(part);
}

template <Precision precision>
void product_off_by_a_little(const NarrowGemm& g) {
  plain_of(precision)->gemm(g);
  real& last = g.c[(g.m - 1) * g.c_row + g.n - 1];
  last *= precision == Precision::int8 ? real(1.0000002) : real(1.01);
}

}  // namespace

TEST_CASE("every table that this machine has the instructions for is proven") {
  CHECK(refused_narrow_kernels().empty());
  CHECK(available_narrow_kernels() == narrow_kernels_for(cpu_features()));
}

TEST_CASE("a table that computes wrongly here is refused, and no other one") {
  if (available_narrow_kernels().empty()) return;  // a double build has none
  for (const NarrowKernels& wrong : {table_with(Precision::int8, product_without_last_row<Precision::int8>),
                                     table_with(Precision::int8, product_of_shorter_rows<Precision::int8>),
                                     table_with(Precision::int8, product_off_by_a_little<Precision::int8>),
                                     table_with(Precision::bf16, product_without_last_row<Precision::bf16>),
                                     table_with(Precision::bf16, product_of_shorter_rows<Precision::bf16>),
                                     table_with(Precision::bf16, product_off_by_a_little<Precision::bf16>)}) {
    INFO("precision " << name_of(wrong.precision));
    CHECK(is_refused(wrong));
  }
  CHECK_FALSE(is_refused(table_with(Precision::int8, plain_of(Precision::int8)->gemm)));
}
