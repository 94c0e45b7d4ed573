// The proof before use: tables that compute wrongly are not offered.

#include "tensor/kernels/narrow_proof.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include "tensor/kernels/cpu_features.h"
#include "tensor/kernels/narrow_tables.h"
#include "tests/tensor/emulated_tables.h"

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

template <Precision precision>
void product_without_base(const NarrowGemm& g) {
  NarrowGemm part = g;
  part.base = nullptr;
  plain_of(precision)->gemm(part);
}

/// The plain table of bf16, but codes of a transposed matrix end before its last column.
NarrowKernels table_with_short_codes() {
  NarrowKernels table = *plain_of(Precision::bf16);
  table.name = "wrong";
  table.encode_transposed = [](int64_t m, int64_t k, const real* x, int64_t x_row, std::byte* rows) {
    plain_of(Precision::bf16)->encode_transposed(m - 1, k, x, x_row, rows);
  };
  return table;
}

}  // namespace

TEST_CASE("every table that this machine has the instructions for is proven, and so are emulated tiles") {
  CHECK(refused_narrow_kernels().empty());
  CHECK(available_narrow_kernels() == narrow_kernels_for(cpu_features()));
  for (const NarrowKernels* table : vmoe::testing::emulated_narrow_kernels()) CHECK_FALSE(is_refused(*table));
}

TEST_CASE("a table that computes wrongly here is refused, and no other one") {
  if (available_narrow_kernels().empty()) return;  // a double build has none
  for (const NarrowKernels& wrong :
       {table_with(Precision::int8, product_without_last_row<Precision::int8>),
        table_with(Precision::int8, product_of_shorter_rows<Precision::int8>),
        table_with(Precision::int8, product_without_base<Precision::int8>),
        table_with(Precision::bf16, product_without_base<Precision::bf16>), table_with_short_codes(),
        table_with(Precision::int8, product_off_by_a_little<Precision::int8>),
        table_with(Precision::bf16, product_without_last_row<Precision::bf16>),
        table_with(Precision::bf16, product_of_shorter_rows<Precision::bf16>),
        table_with(Precision::bf16, product_off_by_a_little<Precision::bf16>)}) {
    INFO("precision " << name_of(wrong.precision));
    CHECK(is_refused(wrong));
  }
  CHECK_FALSE(is_refused(table_with(Precision::int8, plain_of(Precision::int8)->gemm)));
}

TEST_CASE("a machine with tiles has them last, so that they are chosen; without any part it has none") {
#if defined(__x86_64__) && !defined(VMOE_F64)
  CpuFeatures features{.avx2 = true, .avx512 = true, .avx512_vnni = true, .avx512_bf16 = true};
  const std::vector<const NarrowKernels*> without = narrow_kernels_for(features);
  features.amx_tile = features.amx_int8 = features.amx_bf16 = true;
  std::vector<const NarrowKernels*> with = without;
  with.insert(with.end(), {&kInt8_amx, &kBf16_amx});
  CHECK(narrow_kernels_for(features) == with);
  for (bool CpuFeatures::*part :
       {&CpuFeatures::avx512_bf16, &CpuFeatures::amx_int8, &CpuFeatures::amx_bf16}) {
    CpuFeatures some = features;
    some.*part = false;
    for (const NarrowKernels* table : narrow_kernels_for(some)) CHECK(table != &kInt8_amx);
  }
  CHECK((kInt8_amx.faster_than_fp32 && kBf16_amx.faster_than_fp32));
#endif
}
