#pragma once
// Builds the files that the tests of data/ read, good and bad.

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/image.h"
#include "tensor/error.h"

namespace vmoe::testing {

using ByteVector = std::vector<uint8_t>;

void write_bytes(const std::filesystem::path& path, const ByteVector& bytes);
void write_text(const std::filesystem::path& path, const std::string& text);
ByteVector read_bytes(const std::filesystem::path& path);
/// A file under tests/fixtures.
ByteVector fixture_bytes(const std::string& name);

ByteVector operator+(ByteVector a, const ByteVector& b);
ByteVector text_bytes(const std::string& text);
ByteVector be16(int value);
ByteVector be32(uint32_t value);

/// zlib and gzip streams.
ByteVector deflated(const ByteVector& bytes);
ByteVector gzipped(const ByteVector& bytes);

/// One chunk of a PNG with its checksum.
ByteVector png_chunk(const std::string& type, const ByteVector& body);
ByteVector png_header(uint32_t width, uint32_t height, int depth, int colour, int interlace = 0);
/// A whole PNG: `rows` are the filtered rows, `between` are chunks between header and pixels.
ByteVector png(const ByteVector& header_chunk, const ByteVector& rows, const ByteVector& between = {});
extern const ByteVector kPngSignature;

/// JPEG marker segment with its length.
ByteVector jpeg_segment(int marker, const ByteVector& body);
/// Place of the n-th (from 0) marker of this kind in a JPEG, outside compressed data; its 0xFF.
size_t find_marker(const ByteVector& jpeg, int marker, int n = 0);

ByteVector idx_images(uint32_t count, uint32_t rows, uint32_t columns, uint8_t first_pixel = 0);
ByteVector idx_labels(const ByteVector& labels);
/// Writes the four files into a folder: 6 training and 4 test images of 3 x 2 pixels, labels 0, 1, 2, 0, 1,
/// 2, ...
void write_idx_set(const std::filesystem::path& folder, bool compressed = false, char separator = '-');

/// A record whose pixels are all `value` + channel.
ByteVector cifar_record(const ByteVector& labels, uint8_t value);
/// 20 CIFAR-10 training records in two files and 10 test records.
void write_cifar10(const std::filesystem::path& folder);
/// 200 CIFAR-100 training records (fine = i mod 100, coarse = fine mod 20) and 100 test records.
void write_cifar100(const std::filesystem::path& folder);

/// A grey or colour PNM of one value.
ByteVector plain_pnm(int width, int height, int channels, uint8_t value);
/// train and test folders with classes cat, dog and owl, 3 and 2 images each, of several sizes and formats.
void write_image_folder(const std::filesystem::path& folder);

/// The message of the error that `call` throws; fails unless it is of this kind, one line, and contains
/// `words`.
template <class Expected, class Call>
std::string error_of(Call&& call, const std::string& words = "") {
  try {
    call();
  } catch (const Expected& error) {
    const std::string line = error.what();
    CHECK_MESSAGE(line.find(words) != std::string::npos, "'" << line << "' should say '" << words << "'");
    CHECK(line.find('\n') == std::string::npos);
    return line;
  } catch (const std::exception& error) {
    FAIL_CHECK("another error: " << error.what());
    return "";
  }
  FAIL_CHECK("no error; expected one that says '" << words << "'");
  return "";
}

/// The largest difference of two images; 256 if sizes or channels differ.
int largest_difference(const ImageView& a, const ImageView& b);

}  // namespace vmoe::testing
