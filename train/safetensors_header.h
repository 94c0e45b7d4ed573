#pragma once
// The header of a safetensors file: which tensors it holds, of which type and shape, and where.
//
// Format (github.com/huggingface/safetensors): 8 bytes header length N, little endian; N bytes of JSON,
// padded with spaces; then the tensors' numbers without gaps. The JSON is one object
//   {"__metadata__": {text: text, ...}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin,
//   end]}, ...}

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace vmoe {

/// Number types of the format. Of F32, F64, F16 and BF16 the numbers can be read, of the others only the
/// entry.
enum class Dtype {
  f32,
  f64,
  f16,
  bf16,
  i64,
  u64,
  c64,
  i32,
  u32,
  i16,
  u16,
  i8,
  u8,
  boolean,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0
};

/// The format's name of a type, such as "BF16", and the bytes of one number.
const char* dtype_name(Dtype dtype);
uint64_t dtype_bytes(Dtype dtype);

struct TensorEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape;
  uint64_t begin = 0, end = 0;  // bytes, counted from the end of the header
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // in the order of their bytes
};

/// Largest header that the format allows.
constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;

/// Parses and checks a header whole: JSON without repeated keys, nothing but what the format knows, shapes
/// that can exist and fit their bytes, tensors that cover `data_bytes` without overlap, gap or rest.
/// Otherwise InputError naming `file`, the tensor, and what would be right. Memory: a few times the header,
/// whatever is in it.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           const std::string& file);

}  // namespace vmoe
