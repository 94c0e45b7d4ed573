// The IDX format of MNIST: images and labels of each split in a file of their own, plain or compressed by
// gzip. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
//   images: 0x00000803, count, rows, columns (big-endian, 32 bit each), then a byte for each pixel, rows from
//   the top labels: 0x00000801, count, then a byte for each label

#include <algorithm>
#include <filesystem>

#include "data/byte_reader.h"
#include "data/file.h"
#include "data/formats.h"
#include "data/inflate.h"

namespace vmoe {

namespace {

constexpr uint32_t kImageMagic = 0x803, kLabelMagic = 0x801;
constexpr int64_t kLargestUnpacked = int64_t{384} << 20;

/// The bytes of one file: mapped, or unpacked if it starts like gzip (whatever its name).
class IdxFile {
 public:
  IdxFile(const std::string& path, uint32_t magic, const char* content) : path_(path), file_(path) {
    if (file_.bytes().empty()) throw InputError(path + ": the file is empty");
    const Bytes packed = file_.bytes();
    if (packed.size() >= 2 && packed[0] == 0x1F && packed[1] == 0x8B) {
      unpack(magic, content);
    } else {
      bytes_ = packed;
      read_header(bytes_, magic, content);
      check_size();
    }
  }

  const std::string& path() const { return path_; }
  int64_t count() const { return count_; }
  int width() const { return width_; }
  int height() const { return height_; }
  int64_t item_bytes() const { return int64_t{width_} * height_; }
  const uint8_t* item(int64_t i) const { return bytes_.data() + header_ + i * item_bytes(); }

 private:
  void read_header(Bytes start, uint32_t magic, const char* content) {
    ByteReader reader(start, path_);
    if (const uint32_t got = reader.be32("the header"); got != magic) {
      bad_file(path_, 0,
               "the file starts with " + std::to_string(got) + "; IDX " + content + " start with " +
                   std::to_string(magic));
    }
    count_ = reader.be32("the header");
    if (magic == kImageMagic) {
      const uint32_t rows = reader.be32("the header"), columns = reader.be32("the header");
      if (rows < 1 || columns < 1 || rows > 65535 || columns > 65535 ||
          int64_t{rows} * columns > kMaxPixels) {
        bad_file(path_, 8, "images of " + std::to_string(rows) + " x " + std::to_string(columns) + " pixels");
      }
      height_ = static_cast<int>(rows);
      width_ = static_cast<int>(columns);
    }
    if (count_ == 0) bad_file(path_, 4, "the file holds no " + std::string(content));
    header_ = reader.position();
  }

  int64_t expected_size() const { return static_cast<int64_t>(header_) + count_ * item_bytes(); }

  void check_size() const {
    const auto size = static_cast<int64_t>(bytes_.size());
    if (size == expected_size()) return;
    const std::string promise =
        std::to_string(count_) + " items of " + std::to_string(item_bytes()) + " bytes";
    if (size < expected_size()) {
      bad_file(path_, bytes_.size(), "the file ends early; its header promises " + promise);
    }
    bad_file(path_, static_cast<size_t>(expected_size()),
             std::to_string(size - expected_size()) + " bytes follow the " + promise +
                 " that the header promises");
  }

  // The header says how much to expect; memory is taken for that and touched only as data arrives.
  void unpack(uint32_t magic, const char* content) {
    uint8_t start[16];
    const size_t got = inflate_into(start, sizeof start, false);
    read_header(Bytes(start, got), magic, content);
    if (expected_size() > kLargestUnpacked) {
      bad_file(path_, 4,
               "the header promises " + std::to_string(expected_size() >> 20) +
                   " MiB; unpack files above 384 MiB with gunzip first");
    }
    unpacked_.reset(new uint8_t[static_cast<size_t>(expected_size())]);
    bytes_ = {unpacked_.get(), inflate_into(unpacked_.get(), static_cast<size_t>(expected_size()), true)};
    check_size();
  }

  // Unpacks at most `room` bytes; how many there were. `whole` asks for the end of the file to be just there.
  size_t inflate_into(uint8_t* to, size_t room, bool whole) {
    const Bytes packed = file_.bytes();
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

  std::string path_;
  MappedFile file_;
  std::unique_ptr<uint8_t[]> unpacked_;
  Bytes bytes_;
  size_t header_ = 0;
  int64_t count_ = 0;
  int width_ = 1, height_ = 1;
};

/// The four files by role; empty where there is none.
struct IdxPaths {
  std::string images[2], labels[2];  // by split
};

/// "emnist-train-images.idx3-ubyte.gz" -> "emnist-train-images-idx3-ubyte".
std::string plain_name(std::string name) {
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  std::replace(name.begin(), name.end(), '.', '-');
  return name;
}

/// Which of the four files this is by its name, and what comes before ("emnist-").
std::string* role(const std::string& name, IdxPaths& paths, std::string& prefix) {
  const std::string plain = plain_name(name);
  const struct {
    const char* ending;
    std::string* path;
  } roles[] = {{"train-images-idx3-ubyte", &paths.images[0]}, {"train-labels-idx1-ubyte", &paths.labels[0]},
               {"t10k-images-idx3-ubyte", &paths.images[1]},  {"t10k-labels-idx1-ubyte", &paths.labels[1]},
               {"test-images-idx3-ubyte", &paths.images[1]},  {"test-labels-idx1-ubyte", &paths.labels[1]}};
  for (const auto& candidate : roles) {
    if (!plain.ends_with(candidate.ending)) continue;
    prefix = plain.substr(0, plain.size() - std::string(candidate.ending).size());
    return candidate.path;
  }
  return nullptr;
}

bool is_idx_name(const std::string& name) {
  IdxPaths paths;
  std::string prefix;
  return role(name, paths, prefix) != nullptr;
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}
std::string parent(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

void add_path(const std::string& path, IdxPaths& paths) {
  std::string prefix;
  std::string* place = role(file_name(path), paths, prefix);
  if (place == nullptr) {
    throw InputError(path +
                     ": an IDX file should be called like train-images-idx3-ubyte or t10k-labels-idx1-ubyte");
  }
  if (!place->empty())
    throw InputError("both " + *place + " and " + path + " could be meant; name one of them");
  *place = path;
}

/// All files of one set in a folder. A plain file is taken rather than its compressed twin.
IdxPaths find_in_folder(const std::filesystem::path& folder, const std::string* wanted_prefix) {
  IdxPaths paths;
  std::string first_prefix;
  bool any = false;
  for (const std::string& name : list_folder(folder.empty() ? "." : folder.string(), false)) {
    std::string prefix;
    std::string* place = role(name, paths, prefix);
    if (place == nullptr || (wanted_prefix != nullptr && prefix != *wanted_prefix)) continue;
    if (any && prefix != first_prefix) {
      throw InputError(folder.string() + ": IDX files of several data sets ('" + first_prefix + "' and '" +
                       prefix + "'); name one of the files instead of the folder");
    }
    any = true;
    first_prefix = prefix;
    const std::string path = (folder / name).string();
    if (!place->empty() && path == *place + ".gz") continue;
    if (!place->empty())
      throw InputError("both " + *place + " and " + path + " could be meant; name one of them");
    *place = path;
  }
  return paths;
}

IdxPaths find_files(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return find_in_folder(path, nullptr);
  if (std::filesystem::exists(path, error)) {
    IdxPaths one;
    std::string prefix;
    add_path(path, one);
    role(file_name(path), one, prefix);
    return find_in_folder(std::filesystem::path(path).parent_path(), &prefix);
  }
  IdxPaths paths;
  for (const std::string& part : split_commas(path)) add_path(part, paths);
  return paths;
}

class IdxDataset : public Dataset {
 public:
  IdxDataset(const std::string& path, const DatasetOptions& options) {
    if (options.labels == "coarse") throw UsageError(path + " has no coarse labels");
    info_.path = path;
    info_.format = "idx";
    info_.channels = 1;
    const IdxPaths paths = find_files(path);
    for (int split = 0; split < 2; ++split) open_split(split, paths);
    if (!images_[0] && !images_[1]) throw InputError(path + ": no IDX files");
    name_classes(paths);
  }

  ImageView image(Split split, int64_t i, ImageScratch&) const override {
    const IdxFile& file = *images_[split == Split::test];
    return {file.item(i), file.width(), file.height(), 1};
  }

  std::string name(Split split, int64_t i) const override {
    return images_[split == Split::test]->path() + ", image " + std::to_string(i);
  }

 private:
  void open_split(int split, const IdxPaths& paths) {
    const std::string &images = paths.images[split], &labels = paths.labels[split];
    if (images.empty() && labels.empty()) return;
    if (images.empty() || labels.empty()) {
      throw InputError((images.empty() ? labels : images) + ": the file of its " +
                       (images.empty() ? "images" : "labels") + " is missing beside it");
    }
    images_[split] = std::make_unique<IdxFile>(images, kImageMagic, "images");
    const IdxFile& image_file = *images_[split];
    const IdxFile label_file(labels, kLabelMagic, "labels");
    if (label_file.count() != image_file.count()) {
      bad_file(labels, 4,
               std::to_string(label_file.count()) + " labels, but " + images + " holds " +
                   std::to_string(image_file.count()) + " images");
    }
    labels_[split].assign(label_file.item(0), label_file.item(0) + label_file.count());
    const bool first = info_.max_width == 0;
    info_.min_width = first ? image_file.width() : std::min(info_.min_width, image_file.width());
    info_.min_height = first ? image_file.height() : std::min(info_.min_height, image_file.height());
    info_.max_width = std::max(info_.max_width, image_file.width());
    info_.max_height = std::max(info_.max_height, image_file.height());
  }

  // As many classes as there are names; without names, as the largest training label says.
  void name_classes(const IdxPaths& paths) {
    const std::string& any = images_[0] ? paths.images[0] : paths.images[1];
    info_.classes = read_label_names(parent(any), {"label_names.txt", "labels.txt", "classes.txt"}, 0);
    const std::vector<int>& deciding = labels_[images_[0] ? 0 : 1];
    if (info_.classes.empty()) {
      info_.classes = number_names(1 + *std::max_element(deciding.begin(), deciding.end()));
    }
    for (int split = 0; split < 2; ++split) {
      for (size_t i = 0; i < labels_[split].size(); ++i) {
        if (labels_[split][i] < classes()) continue;
        throw InputError(paths.labels[split] + ", byte " + std::to_string(8 + i) + ": label " +
                         std::to_string(labels_[split][i]) + " is out of range; there are " +
                         std::to_string(classes()) + " classes");
      }
    }
  }

  std::unique_ptr<IdxFile> images_[2];
};

}  // namespace

bool is_idx(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const auto names = list_folder(path, false);
    return std::any_of(names.begin(), names.end(), is_idx_name);
  }
  if (std::filesystem::exists(path, error)) return is_idx_name(file_name(path));
  const auto parts = split_commas(path);
  return parts.size() > 1 && std::all_of(parts.begin(), parts.end(), [](const std::string& part) {
           std::error_code ignored;
           return std::filesystem::exists(part, ignored);
         });
}

std::unique_ptr<Dataset> open_idx(const std::string& path, const DatasetOptions& options) {
  return std::make_unique<IdxDataset>(path, options);
}

}  // namespace vmoe
