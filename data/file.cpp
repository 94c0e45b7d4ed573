#include "data/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace vmoe {

namespace {

[[noreturn]] void cannot_read(const std::string& path, int error) {
  throw IoError("cannot read '" + path + "': " + std::strerror(error));
}

}  // namespace

File::File(const std::string& path)
    : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) cannot_read(path, errno);
  struct stat status;
  const int failed = fstat(descriptor_, &status);
  const int error = failed != 0 ? errno : 0;
  if (error != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor_);
    if (error != 0) cannot_read(path, error);
    throw IoError("cannot read '" + path + "': it is not a regular file");
  }
  size_ = status.st_size;
}

File::~File() {
  close(descriptor_);
}

size_t File::read(int64_t offset, void* to, size_t count) const {
  size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(descriptor_, static_cast<char*>(to) + done, count - done,
                              static_cast<off_t>(offset + static_cast<int64_t>(done)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) cannot_read(path_, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Bytes read_file(const std::string& path, ImageScratch& scratch) {
  const File file(path);
  if (file.size() == 0) throw InputError(path + ": the file is empty");
  if (static_cast<size_t>(file.size()) > scratch.budget()) {
    throw InputError(path + ": the file has " + std::to_string(file.size() >> 20) +
                     " MiB; of such a file at most " + std::to_string(scratch.budget() >> 20) +
                     " MiB are accepted");
  }
  uint8_t* bytes = scratch.allocate<uint8_t>(file.size());
  return {bytes, file.read(0, bytes, static_cast<size_t>(file.size()))};
}

MappedFile::MappedFile(const std::string& path) {
  const File file(path);
  if (file.size() == 0) return;
  void* memory =
      mmap(nullptr, static_cast<size_t>(file.size()), PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (memory == MAP_FAILED) cannot_read(path, errno);
  bytes_ = {static_cast<const uint8_t*>(memory), static_cast<size_t>(file.size())};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

void announce_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return;
#ifdef POSIX_FADV_WILLNEED
  posix_fadvise(descriptor, 0, 0, POSIX_FADV_WILLNEED);
#endif
  close(descriptor);
}

}  // namespace vmoe
