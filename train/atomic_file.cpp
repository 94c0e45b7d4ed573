#include "train/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace vmoe {
namespace fs = std::filesystem;
namespace {

std::function<int(FileCall)> file_fault;

/// One system call: -1 with errno set if the test's hook wants a failure, repeated if a signal interrupted
/// it.
template <class Call>
auto attempt(FileCall kind, const Call& call) -> decltype(call()) {
  if (file_fault) {
    if (const int error = file_fault(kind)) {
      errno = error;
      return -1;
    }
  }
  decltype(call()) result;
  do result = call();
  while (result == -1 && errno == EINTR);
  return result;
}

std::string reason(int error) {
  switch (error) {
    case ENOSPC:
      return "the disk is full";
    case EDQUOT:
      return "the disk quota is used up";
    case EFBIG:
      return "it grew beyond the largest size allowed for a file";
    case ENOENT:
      return "no such file or folder";
    case ENOTDIR:
      return "a part of the path is a file, not a folder";
    case EISDIR:
      return "it is a folder";
    case EACCES:
      return "permission denied";
    case EROFS:
      return "the file system is read-only";
    default:
      return std::generic_category().message(error);
  }
}

int open_file(const fs::path& path, int flags) {
  return attempt(FileCall::open, [&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
}

void write_all(int file, const fs::path& path, const void* bytes, size_t count) {
  auto* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t written = attempt(FileCall::write, [&] { return ::write(file, next, count); });
    if (written < 0) throw io_error("write", path, errno);
    next += written;
    count -= static_cast<size_t>(written);
  }
}

void flush_to_disk(int file, const fs::path& path) {
  if (attempt(FileCall::flush, [&] { return ::fsync(file); }) == 0) return;
  throw io_error("write", path, errno);
}

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// Makes a rename outlast a power failure.
void flush_folder(const fs::path& folder) {
  FileHandle file(open_file(folder, O_RDONLY | O_DIRECTORY));
  if (file.get() < 0) throw io_error("write into", folder, errno);
  const int result = attempt(FileCall::flush, [&] { return ::fsync(file.get()); });
  const bool supported = errno != EINVAL;  // some file systems flush no folders
  if (result != 0 && supported) throw io_error("write into", folder, errno);
}

/// A new file may take the place of a regular file or of nothing.
void require_replaceable(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw io_error("write", path, errno);
  }
  if (S_ISDIR(status.st_mode)) throw io_error("write", path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw IoError("cannot write '" + path.string() + "': it is a device or a pipe, not a regular file");
  }
}

}  // namespace

IoError io_error(const std::string& action, const fs::path& path, int error) {
  return IoError("cannot " + action + " '" + path.string() + "': " + reason(error));
}

void set_file_fault(std::function<int(FileCall)> fault) {
  file_fault = std::move(fault);
}

FileHandle::FileHandle(FileHandle&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

FileHandle::~FileHandle() {
  close();
}

int FileHandle::close() {
  if (descriptor_ < 0) return 0;
  return ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno;
}

FileLock::FileLock(const fs::path& path, IfHeld if_held) {
  std::error_code ignored;
  const bool folder = fs::is_directory(path, ignored);
  file_ = FileHandle(open_file(path, O_RDONLY | O_NONBLOCK | (folder ? O_DIRECTORY : O_CREAT)));
  if (file_.get() < 0) throw io_error("open", path, errno);
  const int how = LOCK_EX | (if_held == IfHeld::refuse ? LOCK_NB : 0);
  int result;
  do result = ::flock(file_.get(), how);
  while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EWOULDBLOCK) file_.close();
}

InputFile::InputFile(fs::path path) : path_(std::move(path)) {
  file_ = FileHandle(open_file(path_, O_RDONLY | O_NONBLOCK));  // non-blocking: opening a pipe must not wait
  struct stat status;
  if (file_.get() < 0 || ::fstat(file_.get(), &status) != 0) throw io_error("read", path_, errno);
  if (!S_ISREG(status.st_mode)) {
    const char* what = S_ISDIR(status.st_mode) ? "folder" : "pipe or a device";
    throw InputError("cannot read '" + path_.string() + "': it is a " + what + ", not a regular file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

void InputFile::read(uint64_t offset, void* bytes, size_t count) const {
  auto* next = static_cast<char*>(bytes);
  while (count > 0) {
    const ssize_t got = attempt(
        FileCall::read, [&] { return ::pread(file_.get(), next, count, static_cast<off_t>(offset)); });
    if (got < 0) throw io_error("read", path_, errno);
    if (got == 0) {
      throw IoError("cannot read '" + path_.string() + "': it ended at byte " + std::to_string(offset) +
                    " although it had " + std::to_string(size_) + " bytes when it was opened");
    }
    next += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<size_t>(got);
  }
}

bool file_exists(const fs::path& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw io_error("read", path, errno);
}

std::string read_file(const fs::path& path, size_t max_bytes) {
  const InputFile file(path);
  if (file.size() > max_bytes) {
    throw InputError("cannot read '" + path.string() + "': it has " + std::to_string(file.size()) +
                     " bytes, at most " + std::to_string(max_bytes) + " are expected of such a file");
  }
  std::string content(file.size(), '\0');
  file.read(0, content.data(), content.size());
  return content;
}

AtomicFile::AtomicFile(fs::path path)
    : path_(std::move(path)), temporary_(folder_of(path_) / ("." + path_.filename().string() + ".tmp")) {
  require_replaceable(path_);
  file_ = FileHandle(open_file(temporary_, O_WRONLY | O_CREAT | O_TRUNC));
  if (file_.get() < 0) throw io_error("write", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
  write_all(file_.get(), path_, bytes, count);
}

void AtomicFile::commit() {
  flush_to_disk(file_.get(), path_);
  if (const int error = file_.close()) throw io_error("write", path_, error);
  if (attempt(FileCall::rename, [&] { return ::rename(temporary_.c_str(), path_.c_str()); }) != 0) {
    throw io_error("write", path_, errno);
  }
  committed_ = true;
  flush_folder(folder_of(path_));
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

AppendFile::AppendFile(fs::path path, uint64_t keep) : path_(std::move(path)), size_(keep) {
  require_replaceable(path_);
  file_ = FileHandle(open_file(path_, O_WRONLY | O_CREAT | O_APPEND));
  struct stat status;
  if (file_.get() < 0 || ::fstat(file_.get(), &status) != 0) throw io_error("write", path_, errno);
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < keep) {
    throw InputError("cannot continue '" + path_.string() + "': it has " + std::to_string(size) +
                     " bytes, at the checkpoint it had " + std::to_string(keep));
  }
  if (size == keep) return;
  if (attempt(FileCall::truncate, [&] { return ::ftruncate(file_.get(), static_cast<off_t>(keep)); }) != 0) {
    throw io_error("shorten", path_, errno);
  }
}

void AppendFile::append(std::string_view text) {
  try {
    write_all(file_.get(), path_, text.data(), text.size());
  } catch (...) {
    // What was written of the text goes again. Should this fail too, the next resume cuts it off.
    [[maybe_unused]] const int unchanged = ::ftruncate(file_.get(), static_cast<off_t>(size_));
    throw;
  }
  size_ += text.size();
}

void AppendFile::flush() {
  flush_to_disk(file_.get(), path_);
}

}  // namespace vmoe
