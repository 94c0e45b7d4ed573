#include "train/safetensors.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>

#include "tensor/random.h"
#include "tests/support/temporary_folder.h"

using namespace vmoe;
using testing::TemporaryFolder;

namespace {

/// A file: header length, header, data.
std::string file_bytes(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}";
}

/// Without the flushes of write_file: thousands of files are written here.
void write_quickly(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// The message with which a file of these bytes is refused; empty if it is not, or not as an InputError.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  write_quickly(folder / "m.safetensors", bytes);
  try {
    SafetensorsFile::open(folder / "m.safetensors");
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

std::vector<real> numbers_of(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  REQUIRE(entry != nullptr);
  std::vector<real> numbers(entry->shape.count());
  file.read(*entry, numbers.data());
  return numbers;
}

std::vector<real> random_numbers(int64_t count, uint64_t seed) {
  Random random(seed, Stream::test);
  std::vector<real> numbers(count);
  for (real& x : numbers) x = static_cast<float>(random.normal());
  return numbers;
}

struct Defect {
  const char* what;
  std::string bytes;
  const char* message;  // part of the line
};

const std::string kGood = tensor("a", "F32", "[1]", "[0,4]");

const std::vector<Defect>& defects() {
  static const std::vector<Defect> all = {
      {"an empty file", "", "has 0 bytes"},
      {"a file of 7 bytes", "1234567", "has 7 bytes"},
      {"a header longer than the file", file_bytes("{}", "").substr(0, 9), "claims 2 bytes, at most 1"},
      {"a header of 2^63 bytes", std::string("\0\0\0\0\0\0\0\x80{}", 10), "claims 9223372036854775808 bytes"},
      {"a header length of 0", std::string(8, '\0') + "data", "must be '{'"},
      {"text instead of JSON", file_bytes("hello", ""), "must be '{'"},
      {"a list instead of an object", file_bytes("[]", ""), "must be '{'"},
      {"blanks before the header", file_bytes("  {}", ""), "must be '{'"},
      {"a byte order mark before the header", file_bytes("\xEF\xBB\xBF{}", ""), "must be '{'"},
      {"JSON that is cut off", file_bytes("{\"a\":{", ""), "not valid JSON"},
      {"two objects", file_bytes("{}{}", ""), "not valid JSON at byte 11"},
      {"bytes that are not UTF-8", file_bytes("{\"\xff\":{}}", ""), "not valid JSON"},
      {"a comma too many", file_bytes("{" + kGood + ",}", "1234"), "not valid JSON"},
      {"a tensor twice", file_bytes("{" + kGood + "," + kGood + "}", "1234"), "tensor 'a' appears twice"},
      {"a tensor twice, apart",
       file_bytes("{" + kGood + "," + tensor("b", "F32", "[1]", "[4,8]") + "," +
                      tensor("a", "F32", "[1]", "[8,12]") + "}",
                  "123412341234"),
       "tensor 'a' appears twice"},
      {"a key twice in a tensor",
       file_bytes(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"),
       "tensor 'a': the key 'dtype' appears twice"},
      {"a key twice, once escaped",
       file_bytes(R"({"a":{"dtype":"F32","\u0064type":"F32","shape":[1],"data_offsets":[0,4]}})", "1234"),
       "'dtype' appears twice"},
      {"a key twice in the metadata", file_bytes(R"({"__metadata__":{"x":"1","x":"2"}})", ""),
       "__metadata__: the key 'x' appears twice"},
      {"metadata twice", file_bytes(R"({"__metadata__":{},"__metadata__":{}})", ""), "__metadata__ twice"},
      {"metadata that is a text", file_bytes(R"({"__metadata__":"x"})", ""), "an object is expected"},
      {"metadata with a number", file_bytes(R"({"__metadata__":{"x":1}})", ""), "a text is expected"},
      {"metadata with an object", file_bytes(R"({"__metadata__":{"x":{}}})", ""), "a text is expected"},
      {"metadata with a list", file_bytes(R"({"__metadata__":{"x":[]}})", ""), "a text is expected"},
      {"a tensor that is a list", file_bytes(R"({"a":[0,4]})", ""),
       "tensor 'a': a list where an object is expected"},
      {"a tensor that is null", file_bytes(R"({"a":null})", ""), "null where an object is expected"},
      {"an unknown key", file_bytes(R"({"a":{"dtyp":"F32"}})", ""), "unknown key 'dtyp'; expected dtype"},
      {"an unknown dtype", file_bytes("{" + tensor("a", "F31", "[1]", "[0,4]") + "}", "1234"),
       "unknown dtype 'F31'"},
      {"a dtype that is a number", file_bytes(R"({"a":{"dtype":4}})", ""), "dtype is or holds a number"},
      {"a missing shape", file_bytes(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "1234"), "is missing"},
      {"an empty tensor object", file_bytes(R"({"a":{}})", ""), "is missing"},
      {"a shape that is a number", file_bytes(R"({"a":{"shape":1}})", ""), "shape is or holds a number"},
      {"a shape with a text", file_bytes(R"({"a":{"shape":["1"]}})", ""), "shape is or holds a text"},
      {"a shape with a list", file_bytes(R"({"a":{"shape":[[1]]}})", ""), "shape is or holds a list"},
      {"a shape with an object", file_bytes(R"({"a":{"shape":[{}]}})", ""), "shape is or holds an object"},
      {"a negative size", file_bytes("{" + tensor("a", "F32", "[-1]", "[0,4]") + "}", "1234"),
       "a negative number"},
      {"a fraction", file_bytes("{" + tensor("a", "F32", "[1.0]", "[0,4]") + "}", "1234"), "a fraction"},
      {"a size above 2^64",
       file_bytes("{" + tensor("a", "F32", "[99999999999999999999]", "[0,4]") + "}", "1234"),
       "a number above 2^64"},
      {"a number above any double", file_bytes("{" + tensor("a", "F32", "[1e999]", "[0,4]") + "}", "1234"),
       "not valid JSON"},
      {"a shape whose product overflows",
       file_bytes("{" + tensor("a", "F32", "[4294967296,4294967296]", "[0,4]") + "}", "1234"),
       "more numbers than"},
      {"a product that overflows to a small number",
       file_bytes("{" + tensor("a", "F32", "[4611686018427387905]", "[0,4]") + "}", "1234"),
       "more numbers than"},
      {"a product that overflows before a 0",
       file_bytes("{" + tensor("a", "F32", "[4294967296,4294967296,0]", "[0,0]") + "}", ""),
       "more numbers than"},
      {"a product that overflows behind a 0",
       file_bytes("{" + tensor("a", "F32", "[0,4294967296,4294967296]", "[0,0]") + "}", ""),
       "more numbers than"},
      {"five dimensions", file_bytes("{" + tensor("a", "F32", "[1,1,1,1,1]", "[0,4]") + "}", "1234"),
       "shape has more than 4"},
      {"one offset", file_bytes("{" + tensor("a", "F32", "[1]", "[0]") + "}", "1234"),
       "must be [begin, end]"},
      {"three offsets", file_bytes("{" + tensor("a", "F32", "[1]", "[0,4,8]") + "}", "1234"),
       "data_offsets has more than 2"},
      {"offsets backwards", file_bytes("{" + tensor("a", "F32", "[1]", "[4,0]") + "}", "1234"),
       "do not fit F32 [1]"},
      {"offsets for another shape", file_bytes("{" + tensor("a", "F32", "[2]", "[0,4]") + "}", "1234"),
       "data_offsets [0, 4] do not fit F32 [2], which needs 8 bytes"},
      {"offsets for another dtype", file_bytes("{" + tensor("a", "F16", "[1]", "[0,4]") + "}", "1234"),
       "needs 2 bytes"},
      {"bytes for a tensor without numbers",
       file_bytes("{" + tensor("a", "F32", "[0]", "[0,4]") + "}", "1234"), "needs 0 bytes"},
      {"a file that ends early", file_bytes("{" + kGood + "}", "123"),
       "ends at byte 4 of the data, the file has 3"},
      {"bytes behind the last tensor", file_bytes("{" + kGood + "}", "12345"),
       "1 bytes follow the last tensor"},
      {"bytes without a tensor", file_bytes("{}", "1"), "1 bytes follow"},
      {"a gap at the start", file_bytes("{" + tensor("a", "F32", "[1]", "[4,8]") + "}", "12341234"),
       "there is a gap"},
      {"a gap between tensors",
       file_bytes("{" + kGood + "," + tensor("b", "U8", "[1]", "[5,6]") + "}", "123456"),
       "tensor 'b' must start at byte 4 of the data: there is a gap"},
      {"tensors that overlap",
       file_bytes("{" + kGood + "," + tensor("b", "U8", "[2]", "[3,5]") + "}", "12345"),
       "tensor 'b' overlaps"},
      {"tensors at the same place",
       file_bytes("{" + kGood + "," + tensor("b", "F32", "[1]", "[0,4]") + "}", "1234"),
       "tensor 'b' overlaps"},
      {"an empty tensor inside another",
       file_bytes("{" + kGood + "," + tensor("b", "F32", "[0]", "[2,2]") + "}", "1234"),
       "tensor 'b' overlaps"},
      {"an offset far behind the file",
       file_bytes(
           "{" + kGood + "," + tensor("b", "U8", "[1]", "[18446744073709551614,18446744073709551615]") + "}",
           "1234"),
       "there is a gap"},
  };
  return all;
}

/// Written by the safetensors package 0.8.0 for Python: save({half, brain, single, double: the values below,
/// in float16, bfloat16, float32, float64; steps: int64 [7, -7]; flags: bool; none: zeros(1, 0, 32);
/// scalar: 2.0},
/// {"format": "pt", "note": "café"}).
const std::string kPythonHeader =
    R"({"__metadata__":{"note":"caf)"
    "\xc3\xa9"
    R"(","format":"pt"},"steps":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},)"
    R"("double":{"dtype":"F64","shape":[1],"data_offsets":[16,24]},)"
    R"("none":{"dtype":"F32","shape":[1,0,32],"data_offsets":[24,24]},)"
    R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[24,28]},)"
    R"("single":{"dtype":"F32","shape":[2],"data_offsets":[28,36]},)"
    R"("brain":{"dtype":"BF16","shape":[1,2],"data_offsets":[36,40]},)"
    R"("half":{"dtype":"F16","shape":[5],"data_offsets":[40,50]},)"
    R"("flags":{"dtype":"BOOL","shape":[3],"data_offsets":[50,53]}} )";
constexpr unsigned char kPythonData[] = {
    0x07, 0,    0,    0,    0,    0,    0, 0,    0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x9a, 0x99,
    0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f, 0, 0,    0,    0x40, 0xcd, 0xcc, 0xcc, 0x3d, 0xca, 0xf2, 0x49, 0xf1,
    0x80, 0x3f, 0x49, 0xc0, 0,    0x3c, 0, 0xc1, 0xff, 0x7b, 0x01, 0,    0,    0x7c, 0x01, 0,    0x01};

}  // namespace

TEST_CASE("a file written by the Python package is read, numbers of every width converted") {
  const TemporaryFolder folder;
  const std::string data(reinterpret_cast<const char*>(kPythonData), sizeof kPythonData);
  write_file(folder / "m", file_bytes(kPythonHeader, data));
  const SafetensorsFile file = SafetensorsFile::open(folder / "m");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"note", "caf\xc3\xa9"}});
  REQUIRE(file.tensors().size() == 8);
  CHECK(file.tensors()[0].name == "steps");
  CHECK(file.tensors()[0].dtype == Dtype::i64);
  CHECK(numbers_of(file, "single") == std::vector<real>{0.1f, -1e30f});
  CHECK(numbers_of(file, "double") == std::vector<real>{static_cast<real>(0.1)});
  CHECK(numbers_of(file, "brain") == std::vector<real>{1, -3.140625f});
  CHECK(numbers_of(file, "half") ==
        std::vector<real>{1, -2.5f, 65504, 0x1p-24f, std::numeric_limits<real>::infinity()});
  CHECK(numbers_of(file, "scalar") == std::vector<real>{2});
  CHECK(file.find("scalar")->shape == Shape{});
  CHECK(file.find("none")->shape == Shape{1, 0, 32});
  CHECK(numbers_of(file, "none").empty());
  CHECK(file.find("nothing") == nullptr);
  real out[3];
  CHECK_THROWS_WITH_AS(file.read(*file.find("steps"), out), doctest::Contains("tensor 'steps' has dtype I64"),
                       InputError);
  CHECK_THROWS_AS(file.read(*file.find("flags"), out), InputError);
}

TEST_CASE("every half-precision number is converted exactly") {
  const TemporaryFolder folder;
  std::string data;
  for (int bits = 0; bits < 65536; ++bits) {
    data += static_cast<char>(bits & 255);
    data += static_cast<char>(bits >> 8);
  }
  const std::string header = tensor("h", "F16", "[65536]", "[0,131072]");
  const std::string brain = tensor("b", "BF16", "[65536]", "[131072,262144]");
  write_file(folder / "m", file_bytes("{" + header + "," + brain + "}", data + data));
  const SafetensorsFile file = SafetensorsFile::open(folder / "m");
  const std::vector<real> half = numbers_of(file, "h"), upper = numbers_of(file, "b");
  int wrong = 0;
  for (int bits = 0; bits < 65536; ++bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double expected = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31) expected = fraction == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
    if (bits >> 15) expected = -expected;
    const bool same = std::isnan(expected) ? std::isnan(half[bits]) : half[bits] == expected;
    wrong += !same || (expected == 0 && std::signbit(half[bits]) != (bits >> 15 == 1));

    const float single = static_cast<float>(upper[bits]);
    uint32_t back;
    std::memcpy(&back, &single, 4);
    wrong += !std::isnan(single) && back != static_cast<uint32_t>(bits) << 16;
  }
  CHECK(wrong == 0);
}

TEST_CASE("what is written is read back, whatever the order it was given in") {
  const TemporaryFolder folder;
  const std::vector<real> a = random_numbers(40'000, 1), b = random_numbers(6, 2);
  const std::map<std::string, std::string> metadata = {{"vmoe", R"({"config":{"x":"\"quoted\""}})"}};
  const std::vector<TensorToWrite> tensors = {{"blocks.0.weight", {2, 3}, b.data()},
                                              {"a", {40'000}, a.data()},
                                              {"none", {1, 0, 32}, nullptr},
                                              {"one", {}, &a[7]}};
  write_safetensors(folder / "m", metadata, tensors);
  const SafetensorsFile file = SafetensorsFile::open(folder / "m");
  CHECK(file.metadata() == metadata);
  CHECK(file.tensors().size() == 4);
  CHECK(file.find("blocks.0.weight")->shape == Shape{2, 3});
  CHECK(numbers_of(file, "blocks.0.weight") == b);
  CHECK(numbers_of(file, "a") == a);
  CHECK(numbers_of(file, "one") == std::vector<real>{a[7]});
  CHECK(file.find("none")->shape == Shape{1, 0, 32});
  for (const TensorEntry& entry : file.tensors()) CHECK(entry.dtype == Dtype::f32);

  const std::vector<TensorToWrite> other_order = {tensors[3], tensors[1], tensors[0], tensors[2]};
  write_safetensors(folder / "n", metadata, other_order);
  CHECK(read_file(folder / "n", 1 << 20) == read_file(folder / "m", 1 << 20));
}

TEST_CASE("the bytes of a small file are these") {
  const TemporaryFolder folder;
  const real numbers[] = {1, -2};
  const std::vector<TensorToWrite> tensors = {{"w", {2}, numbers}};
  write_safetensors(folder / "m", {{"k", "v"}}, tensors);
  const std::string header =
      R"({"__metadata__":{"k":"v"},"w":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  CHECK(read_file(folder / "m", 1000) == file_bytes(padded, std::string("\0\0\x80\x3f\0\0\0\xc0", 8)));
}

TEST_CASE("numbers start at a multiple of 8 bytes, however long the names") {
  const TemporaryFolder folder;
  const real number = 1;
  for (int letters = 1; letters <= 9; ++letters) {
    const std::vector<TensorToWrite> tensors = {{std::string(letters, 'x'), {1}, &number}};
    write_safetensors(folder / "m", {}, tensors);
    CHECK(read_file(folder / "m", 1000).size() % 8 == 4);
    CHECK(numbers_of(SafetensorsFile::open(folder / "m"), tensors[0].name) == std::vector<real>{1});
  }
}

TEST_CASE("a file without tensors is a file") {
  const TemporaryFolder folder;
  write_safetensors(folder / "m", {}, {});
  CHECK(SafetensorsFile::open(folder / "m").tensors().empty());
  CHECK(refusal(file_bytes("{}", "")).empty());
  CHECK(refusal(file_bytes("{}     ", "")).empty());
}

TEST_CASE("a name that is written twice is an error of ours, and nothing is written") {
  const TemporaryFolder folder;
  const real number = 1;
  const std::vector<TensorToWrite> tensors = {{"w", {1}, &number}, {"v", {1}, &number}, {"w", {1}, &number}};
  CHECK_THROWS_WITH_AS(write_safetensors(folder / "m", {}, tensors), doctest::Contains("'w' is given twice"),
                       Error);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("every defect of a file is an InputError that says what is wrong") {
  for (const Defect& defect : defects()) {
    CAPTURE(defect.what);
    const std::string message = refusal(defect.bytes);
    CAPTURE(message);
    CHECK(message.find(defect.message) != std::string::npos);
    CHECK(message.find("m.safetensors'") != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 400);
  }
}

TEST_CASE("a file is whole only at its full length: every shorter one is refused, and every longer one") {
  const TemporaryFolder folder;
  const std::vector<real> a = random_numbers(5, 1);
  const std::vector<TensorToWrite> tensors = {{"a", {5}, a.data()}, {"b", {2, 2}, a.data()}};
  write_safetensors(folder / "m", {{"vmoe", "{}"}}, tensors);
  const std::string bytes = read_file(folder / "m", 1000);
  for (size_t length = 0; length < bytes.size(); ++length)
    CHECK_FALSE(refusal(bytes.substr(0, length)).empty());
  CHECK(refusal(bytes).empty());
  CHECK_FALSE(refusal(bytes + '\0').empty());
}

TEST_CASE("a file with any byte of its header changed is read or refused, never worse") {
  const TemporaryFolder folder;
  const std::vector<real> a = random_numbers(4, 1);
  const std::vector<TensorToWrite> tensors = {{"a", {4}, a.data()}, {"b", {2, 0}, a.data()}};
  write_safetensors(folder / "m", {{"vmoe", "{}"}}, tensors);
  const std::string good = read_file(folder / "m", 1000);
  Random random(5, Stream::test);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = good;
    const uint32_t place = random.below(static_cast<uint32_t>(bytes.size() - 16));
    bytes[place] =
        random.below(2) ? "0123456789[]{},:\"-"[random.below(18)] : static_cast<char>(random.below(256));
    write_quickly(folder / "m", bytes);
    try {
      const SafetensorsFile file = SafetensorsFile::open(folder / "m");
      for (const TensorEntry& entry : file.tensors()) {
        std::vector<real> numbers(entry.shape.count());
        if (entry.dtype == Dtype::f32) file.read(entry, numbers.data());
      }
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("names of control characters and of any length make short single lines") {
  const std::string message = refusal(file_bytes("{\"a\\n\\u001b" + std::string(100'000, 'x') + "\":3}", ""));
  CHECK(message.find("tensor 'a??xxx") != std::string::npos);
  CHECK(message.size() < 300);
}

TEST_CASE("a million brackets are refused at the first that does not belong") {
  CHECK(refusal(file_bytes("{\"a\":" + std::string(1'000'000, '['), "")).find("an object is expected") !=
        std::string::npos);
  CHECK(refusal(file_bytes("{\"a\":{\"shape\":" + std::string(1'000'000, '['), "")).find("holds a list") !=
        std::string::npos);
  std::string metadata = "{\"__metadata__\":{";
  for (int i = 0; i < 5000; ++i) metadata += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  CHECK(refusal(file_bytes(metadata + "}}", "")).find("more than 4096 entries") != std::string::npos);
}

TEST_CASE("a disk that fills up in the middle of a model leaves the old model") {
  const TemporaryFolder folder;
  const std::vector<real> a = random_numbers(100, 1), b = random_numbers(100, 2);
  const std::vector<TensorToWrite> first = {{"a", {100}, a.data()}},
                                   second = {{"a", {50}, a.data()}, {"b", {100}, b.data()}};
  write_safetensors(folder / "m", {}, first);
  int failures = 0;
  for (int n = 1; n < 100; ++n) {
    int calls = 0;
    set_file_fault([&](FileCall) { return ++calls == n ? ENOSPC : 0; });
    bool failed = false;
    try {
      write_safetensors(folder / "m", {}, second);
    } catch (const IoError&) {
      failed = true;
    }
    set_file_fault({});
    const SafetensorsFile file = SafetensorsFile::open(folder / "m");
    const bool old = file.tensors().size() == 1;
    CHECK(numbers_of(file, old ? "a" : "b") == (old ? a : b));
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
    if (!failed) break;
    ++failures;
    write_safetensors(folder / "m", {}, first);
  }
  CHECK(failures >= 7);  // open, header, two tensors, flush, rename, open and flush the folder
}

TEST_CASE("a trained checkpoint from elsewhere is read") {
  const char* data = std::getenv("VMOE_DATA");
  const std::filesystem::path path =
      std::filesystem::path(data ? data : "") / "vit/nanovit_cifar10.safetensors";
  if (!data || !std::filesystem::exists(path)) {
    MESSAGE("skipped: VMOE_DATA does not name a folder with vit/nanovit_cifar10.safetensors");
    return;
  }
  const SafetensorsFile file = SafetensorsFile::open(path);
  CHECK(file.tensors().size() == 50);
  int64_t count = 0;
  for (const TensorEntry& entry : file.tensors()) {
    for (const real x : numbers_of(file, entry.name)) CHECK(std::abs(x) <= 100);
    count += entry.shape.count();
  }
  CHECK(count == 96104);
}
