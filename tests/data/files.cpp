#include "tests/data/files.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/support/fixture.h"

namespace vmoe::testing {

const ByteVector kPngSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

void write_bytes(const std::filesystem::path& path, const ByteVector& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(file.good());
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  write_bytes(path, text_bytes(text));
}

ByteVector read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE_MESSAGE(file.good(), path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

ByteVector fixture_bytes(const std::string& name) {
  return read_bytes(fixture_path(name));
}

ByteVector operator+(ByteVector a, const ByteVector& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

ByteVector text_bytes(const std::string& text) {
  return {text.begin(), text.end()};
}

ByteVector be16(int value) {
  return {static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value)};
}

ByteVector be32(uint32_t value) {
  return be16(static_cast<int>(value >> 16)) + be16(static_cast<int>(value & 0xFFFF));
}

namespace {

ByteVector compressed(const ByteVector& bytes, int window_bits) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  ByteVector out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

ByteVector deflated(const ByteVector& bytes) {
  return compressed(bytes, 15);
}
ByteVector gzipped(const ByteVector& bytes) {
  return compressed(bytes, 15 + 16);
}

ByteVector png_chunk(const std::string& type, const ByteVector& body) {
  const ByteVector checked = text_bytes(type) + body;
  const auto checksum = static_cast<uint32_t>(crc32(0, checked.data(), static_cast<uInt>(checked.size())));
  return be32(static_cast<uint32_t>(body.size())) + checked + be32(checksum);
}

ByteVector png_header(uint32_t width, uint32_t height, int depth, int colour, int interlace) {
  return png_chunk("IHDR", be32(width) + be32(height) +
                               ByteVector{static_cast<uint8_t>(depth), static_cast<uint8_t>(colour), 0, 0,
                                          static_cast<uint8_t>(interlace)});
}

ByteVector png(const ByteVector& header_chunk, const ByteVector& rows, const ByteVector& between) {
  return kPngSignature + header_chunk + between + png_chunk("IDAT", deflated(rows)) + png_chunk("IEND", {});
}

ByteVector jpeg_segment(int marker, const ByteVector& body) {
  return ByteVector{0xFF, static_cast<uint8_t>(marker)} + be16(static_cast<int>(body.size()) + 2) + body;
}

size_t find_marker(const ByteVector& jpeg, int marker, int n) {
  for (size_t i = 2; i + 1 < jpeg.size();) {
    if (jpeg[i] != 0xFF || jpeg[i + 1] == 0 || (jpeg[i + 1] >= 0xD0 && jpeg[i + 1] <= 0xD7)) {
      ++i;  // compressed data
      continue;
    }
    if (jpeg[i + 1] == marker && n-- == 0) return i;
    i += jpeg[i + 1] == 0xD9 ? 2 : 2 + (jpeg[i + 2] << 8 | jpeg[i + 3]);
  }
  FAIL("marker " << marker << " is not in the file");
  return 0;
}

ByteVector idx_images(uint32_t count, uint32_t rows, uint32_t columns, uint8_t first_pixel) {
  ByteVector file = be32(0x803) + be32(count) + be32(rows) + be32(columns);
  for (uint32_t i = 0; i < count * rows * columns; ++i) file.push_back(static_cast<uint8_t>(first_pixel + i));
  return file;
}

ByteVector idx_labels(const ByteVector& labels) {
  return be32(0x801) + be32(static_cast<uint32_t>(labels.size())) + labels;
}

void write_idx_set(const std::filesystem::path& folder, bool compressed, char separator) {
  const auto write = [&](std::string name, const ByteVector& bytes) {
    std::replace(name.begin(), name.end(), '.', separator);
    write_bytes(folder / (name + (compressed ? ".gz" : "")), compressed ? gzipped(bytes) : bytes);
  };
  write("train-images.idx3-ubyte", idx_images(6, 3, 2));
  write("train-labels.idx1-ubyte", idx_labels({0, 1, 2, 0, 1, 2}));
  write("t10k-images.idx3-ubyte", idx_images(4, 3, 2, 100));
  write("t10k-labels.idx1-ubyte", idx_labels({2, 1, 0, 2}));
}

ByteVector cifar_record(const ByteVector& labels, uint8_t value) {
  ByteVector record = labels;
  for (int c = 0; c < 3; ++c) record.insert(record.end(), 1024, static_cast<uint8_t>(value + c));
  return record;
}

void write_cifar10(const std::filesystem::path& folder) {
  for (int file = 0; file < 3; ++file) {
    ByteVector bytes;
    for (int i = 0; i < 10; ++i) {
      bytes = bytes + cifar_record({static_cast<uint8_t>(i)}, static_cast<uint8_t>(10 * file + i));
    }
    write_bytes(folder / (file == 2 ? "test_batch.bin" : "data_batch_" + std::to_string(file + 1) + ".bin"),
                bytes);
  }
}

void write_cifar100(const std::filesystem::path& folder) {
  ByteVector train, test;
  for (int i = 0; i < 200; ++i) {
    const auto fine = static_cast<uint8_t>(i % 100);
    const ByteVector record = cifar_record({static_cast<uint8_t>(fine % 20), fine}, static_cast<uint8_t>(i));
    train.insert(train.end(), record.begin(), record.end());
    if (i < 100) test.insert(test.end(), record.begin(), record.end());
  }
  write_bytes(folder / "train.bin", train);
  write_bytes(folder / "test.bin", test);
}

ByteVector plain_pnm(int width, int height, int channels, uint8_t value) {
  const std::string header = std::string(channels == 1 ? "P5 " : "P6 ") + std::to_string(width) + " " +
                             std::to_string(height) + " 255\n";
  return text_bytes(header) + ByteVector(static_cast<size_t>(width) * height * channels, value);
}

void write_image_folder(const std::filesystem::path& folder) {
  const ByteVector jpeg = fixture_bytes("images/baseline_420.jpg");
  const ByteVector grey_png = png(png_header(3, 2, 8, 0), {0, 10, 20, 30, 0, 40, 50, 60});
  uint8_t value = 10;
  for (const std::string split : {"train", "test"}) {
    for (const std::string name : {"cat", "dog", "owl"}) {
      const auto place = folder / split / name;
      write_bytes(place / "a.jpg", jpeg);
      write_bytes(place / "b.png", grey_png);
      if (split == "train") write_bytes(place / "c.ppm", plain_pnm(50, 12, 3, value += 20));
    }
  }
}

int largest_difference(const ImageView& a, const ImageView& b) {
  if (a.width != b.width || a.height != b.height || a.channels != b.channels) return 256;
  int largest = 0;
  for (int64_t i = 0; i < a.bytes(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

}  // namespace vmoe::testing
