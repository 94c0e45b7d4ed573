#include "train/safetensors_header.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "moe/strict_json.h"

namespace vmoe {
namespace {

using nlohmann::json;

struct DtypeInfo {
  const char* name;
  uint64_t bytes;
};

// In the order of enum Dtype.
constexpr std::array<DtypeInfo, 17> kDtypes = {{{"F32", 4},
                                                {"F64", 8},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I64", 8},
                                                {"U64", 8},
                                                {"C64", 8},
                                                {"I32", 4},
                                                {"U32", 4},
                                                {"I16", 2},
                                                {"U16", 2},
                                                {"I8", 1},
                                                {"U8", 1},
                                                {"BOOL", 1},
                                                {"F8_E5M2", 1},
                                                {"F8_E4M3", 1},
                                                {"F8_E8M0", 1}}};

constexpr size_t kMaxMetadata = 4096;  // files in use have a handful
constexpr const char* kTooMuchMetadata = "more than 4096 entries";

std::optional<Dtype> find_dtype(std::string_view name) {
  for (size_t i = 0; i < kDtypes.size(); ++i) {
    if (name == kDtypes[i].name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

Shape make_shape(const std::vector<uint64_t>& sizes) {
  std::array<int64_t, Shape::kMaxRank> d{};
  std::copy(sizes.begin(), sizes.end(), d.begin());
  switch (sizes.size()) {
    case 0:
      return {};
    case 1:
      return {d[0]};
    case 2:
      return {d[0], d[1]};
    case 3:
      return {d[0], d[1], d[2]};
    default:
      return {d[0], d[1], d[2], d[3]};
  }
}

/// Bytes of a tensor; nothing if the number of its elements does not fit (a size of 0 hides no overflow).
std::optional<uint64_t> bytes_of(const std::vector<uint64_t>& sizes, Dtype dtype) {
  uint64_t bytes = dtype_bytes(dtype);
  bool empty = false;
  for (const uint64_t size : sizes) {
    empty = empty || size == 0;
    if (size != 0 && bytes > std::numeric_limits<int64_t>::max() / size) return std::nullopt;
    if (size != 0) bytes *= size;
  }
  return empty ? 0 : bytes;
}

std::string list(const std::vector<uint64_t>& numbers) {
  std::string text = "[";
  for (const uint64_t number : numbers) text += (text.size() > 1 ? ", " : "") + std::to_string(number);
  return text + "]";
}

/// Receives the JSON piece by piece and takes only what the format allows at that place, so that no header,
/// however deep or wide, costs more memory than its tensors.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(SafetensorsHeader& header, const std::string& file) : header_(header), file_(file) {}

  bool start_object(size_t) override {
    if (depth_ > 1 || array_) fail_value("an object");
    if (++depth_ == 2) seen_ = 0;
    return true;
  }

  bool key(std::string& name) override {
    if (depth_ == 1) {
      start_entry(name);
    } else if (in_metadata_) {
      key_ = std::move(name);
      if (header_.metadata.size() == kMaxMetadata) fail(kTooMuchMetadata);
      if (header_.metadata.contains(key_)) fail("the key " + in_quotes(key_) + " appears twice");
    } else {
      start_field(name);
    }
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_) finish_tensor();
    return true;
  }

  bool start_array(size_t) override {
    if (array_ || depth_ != 2 || in_metadata_ || field_ == kDtype) fail_value("a list");
    array_ = true;
    return true;
  }

  bool end_array() override {
    array_ = false;
    if (field_ == kOffsets && offsets_.size() != 2) fail("data_offsets must be [begin, end]");
    return true;
  }

  bool number_unsigned(uint64_t number) override {
    if (!array_) fail_value("a number");
    std::vector<uint64_t>& numbers = field_ == kShape ? shape_ : offsets_;
    const size_t limit = field_ == kShape ? Shape::kMaxRank : 2;
    if (numbers.size() == limit) fail(field_text() + " has more than " + std::to_string(limit) + " numbers");
    numbers.push_back(number);
    return true;
  }

  bool number_integer(int64_t) override { return fail_number("a negative number"); }
  bool number_float(double, const std::string&) override {
    return fail_number("a fraction or a number above 2^64");
  }

  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata_) {
      header_.metadata.emplace(std::move(key_), std::move(text));
      return true;
    }
    if (depth_ != 2 || array_ || field_ != kDtype) fail_value("a text");
    const std::optional<Dtype> dtype = find_dtype(text);
    if (!dtype) fail("unknown dtype " + in_quotes(text) + "; F32, F64, F16 and BF16 can be read");
    entry_.dtype = *dtype;
    return true;
  }

  bool null() override { return fail_value("null"); }
  bool boolean(bool) override { return fail_value("true or false"); }
  bool binary(json::binary_t&) override { return fail_value("binary data"); }

  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    throw InputError("'" + file_ + "': the header is not valid JSON at byte " + std::to_string(8 + position));
  }

 private:
  enum Field : unsigned { kDtype = 1, kShape = 2, kOffsets = 4, kAllFields = 7 };

  void start_entry(std::string& name) {
    in_metadata_ = name == "__metadata__";
    if (in_metadata_ && std::exchange(had_metadata_, true)) {
      throw InputError("'" + file_ + "': the header has __metadata__ twice");
    }
    entry_ = TensorEntry{};
    entry_.name = std::move(name);
    shape_.clear();
    offsets_.clear();
  }

  void start_field(const std::string& name) {
    static const std::map<std::string, Field> fields = {
        {"dtype", kDtype}, {"shape", kShape}, {"data_offsets", kOffsets}};
    const auto known = fields.find(name);
    if (known == fields.end()) {
      fail("unknown key " + in_quotes(name) + "; expected dtype, shape and data_offsets");
    }
    field_ = known->second;
    if (seen_ & field_) fail("the key " + in_quotes(name) + " appears twice");
    seen_ |= field_;
  }

  void finish_tensor() {
    if (seen_ != kAllFields) fail("dtype, shape or data_offsets is missing");
    const std::optional<uint64_t> bytes = bytes_of(shape_, entry_.dtype);
    if (!bytes) fail("shape " + list(shape_) + " has more numbers than any memory");
    if (offsets_[0] > offsets_[1] || offsets_[1] - offsets_[0] != *bytes) {
      fail("data_offsets " + list(offsets_) + " do not fit " + dtype_name(entry_.dtype) + " " + list(shape_) +
           ", which needs " + std::to_string(*bytes) + " bytes");
    }
    entry_.shape = make_shape(shape_);
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    header_.tensors.push_back(std::move(entry_));
  }

  std::string field_text() const {
    return field_ == kShape ? "shape" : field_ == kOffsets ? "data_offsets" : "dtype";
  }

  [[noreturn]] void fail(const std::string& what) const {
    const std::string where = in_metadata_ ? "__metadata__" : "tensor " + in_quotes(entry_.name);
    throw InputError("'" + file_ + "': " + where + ": " + what);
  }

  [[noreturn]] bool fail_number(const std::string& got) const {
    if (!array_) fail_value(got);
    fail(field_text() + " holds " + got + "; sizes and offsets are whole numbers from 0");
  }

  [[noreturn]] bool fail_value(const std::string& got) const {
    if (depth_ == 1) fail(got + " where an object is expected");
    if (in_metadata_) fail(got + " where a text is expected");
    fail(field_text() + " is or holds " + got +
         "; expected dtype: text, shape and data_offsets: lists of numbers");
  }

  SafetensorsHeader& header_;
  const std::string& file_;
  int depth_ = 0;             // objects around the current place: 1 the header, 2 a tensor or the metadata
  bool array_ = false;        // inside a list
  bool in_metadata_ = false;  // which of the two the object at depth 2 is
  bool had_metadata_ = false;
  unsigned seen_ = 0;  // fields of the current tensor so far
  Field field_ = kDtype;
  std::string key_;  // of the metadata
  TensorEntry entry_;
  std::vector<uint64_t> shape_, offsets_;
};

void require_unique_names(const std::vector<TensorEntry>& tensors, const std::string& file) {
  std::vector<const TensorEntry*> by_name;
  by_name.reserve(tensors.size());
  for (const TensorEntry& tensor : tensors) by_name.push_back(&tensor);
  std::sort(by_name.begin(), by_name.end(), [](auto* a, auto* b) { return a->name < b->name; });
  const auto twin =
      std::adjacent_find(by_name.begin(), by_name.end(), [](auto* a, auto* b) { return a->name == b->name; });
  if (twin == by_name.end()) return;
  throw InputError("'" + file + "': tensor " + in_quotes((*twin)->name) + " appears twice");
}

/// Sorts the tensors by their place and requires that each starts where the one before ends.
void require_coverage(std::vector<TensorEntry>& tensors, uint64_t data_bytes, const std::string& file) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  const auto fail = [&](const TensorEntry& tensor, const std::string& what) {
    throw InputError("'" + file + "': tensor " + in_quotes(tensor.name) + " " + what);
  };
  const auto byte = [](uint64_t number) { return "byte " + std::to_string(number) + " of the data"; };
  uint64_t end = 0;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.begin < end) fail(tensor, "overlaps the one in front of it, which ends at " + byte(end));
    if (tensor.begin > end) fail(tensor, "must start at " + byte(end) + ": there is a gap in front of it");
    end = tensor.end;
    if (end > data_bytes) {
      fail(tensor,
           "ends at " + byte(end) + ", the file has " + std::to_string(data_bytes) + ": it was cut off");
    }
  }
  if (end < data_bytes) {
    throw InputError("'" + file + "': " + std::to_string(data_bytes - end) +
                     " bytes follow the last tensor; the file must end with it");
  }
}

}  // namespace

const char* dtype_name(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].name;
}
uint64_t dtype_bytes(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes,
                                           const std::string& file) {
  if (!text.starts_with('{')) throw InputError("'" + file + "': byte 8, the header's first, must be '{'");
  SafetensorsHeader header;
  HeaderReader reader(header, file);
  json::sax_parse(text.begin(), text.end(), &reader);
  require_unique_names(header.tensors, file);
  require_coverage(header.tensors, data_bytes, file);
  return header;
}

}  // namespace vmoe
