#include "data/idx_file.h"

#include <algorithm>

#include "data/image_header.h"
#include "data/inflate.h"

namespace vmoe {

namespace {

constexpr uint32_t kImageMagic = 0x803, kLabelMagic = 0x801;

}  // namespace

IdxFile::IdxFile(const std::string& path, Content content, int64_t room) : path_(path), content_(content) {
  const Bytes packed = file_.emplace(path).bytes();
  if (packed.empty()) throw InputError(path + ": the file is empty");
  if (packed.size() >= 2 && packed[0] == 0x1F && packed[1] == 0x8B) {
    unpack(room);
    file_.reset();
  } else {
    bytes_ = packed;
    read_header(bytes_);
    check_size();
  }
}

void IdxFile::read_header(Bytes start) {
  const bool images = content_ == Content::images;
  const char* content = images ? "images" : "labels";
  const uint32_t magic = images ? kImageMagic : kLabelMagic;
  ByteReader reader(start, path_);
  if (const uint32_t got = reader.be32("the header"); got != magic) {
    bad_file(path_, 0,
             "the file starts with " + std::to_string(got) + "; IDX " + content + " start with " +
                 std::to_string(magic));
  }
  count_ = reader.be32("the header");
  if (images) {
    const uint32_t rows = reader.be32("the header"), columns = reader.be32("the header");
    if (const std::string wrong = size_problem(columns, rows); !wrong.empty()) bad_file(path_, 8, wrong);
    height_ = static_cast<int>(rows);
    width_ = static_cast<int>(columns);
  }
  if (count_ == 0) bad_file(path_, 4, "the file holds no " + std::string(content));
  header_ = reader.position();
}

void IdxFile::check_size() const {
  const auto size = static_cast<int64_t>(bytes_.size());
  if (size == expected_size()) return;
  const std::string promise = std::to_string(count_) + " items of " + std::to_string(item_bytes()) + " bytes";
  if (size < expected_size()) {
    bad_file(path_, bytes_.size(), "the file ends early; its header promises " + promise);
  }
  bad_file(
      path_, static_cast<size_t>(expected_size()),
      std::to_string(size - expected_size()) + " bytes follow the " + promise + " that the header promises");
}

// The header says how much to expect; memory is taken for that and touched only as data arrives.
void IdxFile::unpack(int64_t room) {
  uint8_t start[16];
  const size_t got = inflate_into(start, sizeof start, false);
  read_header(Bytes(start, got));
  if (expected_size() > room) {
    bad_file(path_, 4,
             "the header promises " + std::to_string(expected_size() >> 20) +
                 " MiB; of compressed files at most " + std::to_string(kMaxUnpacked >> 20) +
                 " MiB a data set are accepted: gunzip them first");
  }
  unpacked_.reset(new uint8_t[static_cast<size_t>(expected_size())]);
  bytes_ = {unpacked_.get(), inflate_into(unpacked_.get(), static_cast<size_t>(expected_size()), true)};
  check_size();
}

// Unpacks at most `room` bytes; how many there were. `whole` asks for the end of the file to be just there.
size_t IdxFile::inflate_into(uint8_t* to, size_t room, bool whole) {
  const Bytes packed = file_->bytes();
  Inflater inflater(15 + 16);
  z_stream& stream = inflater.stream();
  size_t read = 0, written = 0;
  uint8_t beyond;
  for (;;) {
    const size_t input = std::min<size_t>(packed.size() - read, 1 << 30);
    const size_t output = std::min<size_t>(room - written, 1 << 30);
    stream.next_in = const_cast<Bytef*>(packed.data() + read);
    stream.avail_in = static_cast<uInt>(input);
    stream.next_out = output > 0 ? to + written : &beyond;
    stream.avail_out = output > 0 ? static_cast<uInt>(output) : 1;
    const int result = inflate(&stream, Z_NO_FLUSH);
    read += input - stream.avail_in;
    if (output == 0 && stream.avail_out == 0) {
      bad_file(path_, read,
               "the file unpacks to more than the " + std::to_string(room) + " bytes its header promises");
    }
    if (output > 0) written += output - stream.avail_out;
    if (!whole && written == room) return written;
    if (result == Z_STREAM_END) {
      if (read == packed.size()) return written;
      if (packed.size() - read < 2 || packed[read] != 0x1F || packed[read + 1] != 0x8B) {
        bad_file(path_, read, std::to_string(packed.size() - read) + " bytes follow the compressed data");
      }
      inflateReset(&stream);  // another member follows: files may be compressed in pieces
    } else if (result == Z_BUF_ERROR || (result == Z_OK && read == packed.size() && stream.avail_out > 0)) {
      bad_file(path_, read, "the compressed file ends early");
    } else if (result != Z_OK) {
      bad_file(path_, read, "the compressed data is damaged");
    }
  }
}

}  // namespace vmoe
