#include "train/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <nlohmann/json.hpp>
#include <numeric>
#include <type_traits>
#include <utility>

#include "moe/strict_json.h"

namespace vmoe {
namespace {

static_assert(std::endian::native == std::endian::little,
              "files are little endian and read without swapping");

constexpr int64_t kPiece = 1 << 14;  // numbers converted at a time

/// IEEE 754 half precision: 1 sign, 5 exponent, 10 fraction bits.
float float_of_f16(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: multiples of 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15;  // 31: infinity and NaN
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// The upper half of a float.
float float_of_bf16(uint16_t upper) {
  return std::bit_cast<float>(uint32_t{upper} << 16);
}

/// Reads `count` numbers stored as `Stored` at byte `offset`, piece by piece.
template <class Stored, class Convert>
void read_converted(const InputFile& file, uint64_t offset, int64_t count, real* out,
                    const Convert& convert) {
  std::array<Stored, kPiece> piece;
  for (int64_t done = 0; done < count; done += kPiece) {
    const int64_t n = std::min(kPiece, count - done);
    file.read(offset + static_cast<uint64_t>(done) * sizeof(Stored), piece.data(),
              static_cast<size_t>(n) * sizeof(Stored));
    for (int64_t i = 0; i < n; ++i) out[done + i] = static_cast<real>(convert(piece[i]));
  }
}

/// Writes numbers as F32: as they are, or piece by piece in the double build.
void write_f32(AtomicFile& file, const real* data, int64_t count) {
  if constexpr (std::is_same_v<real, float>) {
    file.write(data, static_cast<size_t>(count) * sizeof(float));
  } else {
    std::array<float, kPiece> piece;
    for (int64_t done = 0; done < count; done += kPiece) {
      const int64_t n = std::min(kPiece, count - done);
      std::copy_n(data + done, n, piece.begin());
      file.write(piece.data(), static_cast<size_t>(n) * sizeof(float));
    }
  }
}

/// Header length and header, padded to a multiple of 8.
std::string header_bytes(const std::map<std::string, std::string>& metadata,
                         std::span<const TensorToWrite> tensors, const std::vector<size_t>& order) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const size_t i : order) {
    const Shape& shape = tensors[i].shape;
    auto sizes = nlohmann::json::array();
    for (int d = 0; d < shape.rank(); ++d) sizes.push_back(shape[d]);
    const uint64_t end = offset + static_cast<uint64_t>(shape.count()) * sizeof(float);
    header[tensors[i].name] = {{"dtype", "F32"}, {"shape", sizes}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t length = text.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

/// Places sorted by name; `name(i)` is the name at place i.
template <class Name>
std::vector<size_t> sorted_by_name(size_t count, const Name& name) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return name(a) < name(b); });
  return order;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  SafetensorsFile result{InputFile(path)};
  const InputFile& file = result.file_;
  const std::string who = "'" + path.string() + "': ";
  if (file.size() < 8) {
    throw InputError(who + "it has " + std::to_string(file.size()) +
                     " bytes; a safetensors file has at least 8");
  }
  uint64_t length = 0;
  file.read(0, &length, sizeof length);
  const uint64_t longest = std::min(kMaxSafetensorsHeader, file.size() - 8);
  if (length > longest) {
    throw InputError(who + "the header claims " + std::to_string(length) + " bytes, at most " +
                     std::to_string(longest) + " are possible: it is cut off or no safetensors file");
  }
  std::string text(length, '\0');
  file.read(8, text.data(), text.size());
  result.data_start_ = 8 + length;
  result.header_ = parse_safetensors_header(text, file.size() - result.data_start_, path.string());
  const std::vector<TensorEntry>& tensors = result.header_.tensors;
  result.by_name_ = sorted_by_name(
      tensors.size(), [&](size_t i) -> auto& { return tensors[i].name; });
  return result;
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto place =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](size_t i, const std::string& wanted) { return tensors()[i].name < wanted; });
  return place != by_name_.end() && tensors()[*place].name == name ? &tensors()[*place] : nullptr;
}

void SafetensorsFile::read(const TensorEntry& entry, real* out) const {
  const uint64_t offset = data_start_ + entry.begin;
  const int64_t count = entry.shape.count();
  const auto as_it_is = [](auto number) { return number; };
  switch (entry.dtype) {
    case Dtype::f32:
      if constexpr (std::is_same_v<real, float>) return file_.read(offset, out, entry.end - entry.begin);
      return read_converted<float>(file_, offset, count, out, as_it_is);
    case Dtype::f64:
      return read_converted<double>(file_, offset, count, out, as_it_is);
    case Dtype::f16:
      return read_converted<uint16_t>(file_, offset, count, out, float_of_f16);
    case Dtype::bf16:
      return read_converted<uint16_t>(file_, offset, count, out, float_of_bf16);
    default:
      throw InputError("'" + path() + "': tensor " + in_quotes(entry.name) + " has dtype " +
                       dtype_name(entry.dtype) + "; weights must be F32, F64, F16 or BF16");
  }
}

void SafetensorsFile::read_finite(const TensorEntry& entry, real* out) const {
  read(entry, out);
  if (!std::all_of(out, out + entry.shape.count(), [](real x) { return std::isfinite(x); }))
    throw InputError("'" + path() + "': tensor '" + entry.name + "' holds numbers that are not finite");
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata,
                       std::span<const TensorToWrite> tensors) {
  const std::vector<size_t> order = sorted_by_name(
      tensors.size(), [&](size_t i) -> auto& { return tensors[i].name; });
  for (size_t i = 1; i < order.size(); ++i) {
    const std::string& name = tensors[order[i]].name;
    if (name == tensors[order[i - 1]].name) {
      throw Error(ExitCode::internal, "write_safetensors: tensor " + in_quotes(name) + " is given twice");
    }
  }
  AtomicFile file(path);
  file.write(header_bytes(metadata, tensors, order));
  for (const size_t i : order) write_f32(file, tensors[i].data, tensors[i].shape.count());
  file.commit();
}

}  // namespace vmoe
