#pragma once
// Files that are whole or not there. A checkpoint is written to a temporary name in the same folder, flushed
// to the disk, and renamed over the old one: a crash at any moment leaves the last good file.
//
// Every failure is an IoError such as "cannot write 'run/last.safetensors': the disk is full". Nothing here
// waits: pipes and devices are refused, only regular files are read or replaced.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tensor/error.h"

namespace vmoe {

/// The error "cannot ACTION 'path': reason", e.g. action "write"; `error` is an errno.
IoError io_error(const std::string& action, const std::filesystem::path& path, int error);

/// The system calls of this file, as a test sees them.
enum class FileCall { open, read, write, truncate, flush, rename };

/// For tests: asked before every system call of this file; returns 0 to go on, or the errno to fail with. An
/// empty function (the start) asks nobody. Not to be changed while another thread works on files.
void set_file_fault(std::function<int(FileCall)> fault);

/// An open file (a descriptor), closed at the end of its life.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();

  int get() const { return descriptor_; }
  /// Closes now; 0, or the errno (a network file system may report only here that the disk is full).
  int close();

 private:
  int descriptor_ = -1;
};

/// Holds a file or folder until it is destroyed; the system lets go of it when the process ends in any way.
/// It keeps out who asks for the same lock, in this process or another, and nobody else.
class FileLock {
 public:
  enum class IfHeld { wait, refuse };
  FileLock() = default;
  /// A file that is not there is made, empty. IoError if it cannot be opened; a file system without locks
  /// grants all.
  FileLock(const std::filesystem::path& path, IfHeld if_held);
  /// False if somebody else has it and this one was not to wait.
  bool held() const { return file_.get() >= 0; }

 private:
  FileHandle file_;
};

/// A regular file that is read at given places. Its size is the one it had when it was opened.
class InputFile {
 public:
  /// Throws IoError if it cannot be opened, InputError if it is a folder, a pipe or a device.
  explicit InputFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }
  /// Reads exactly `count` bytes from `offset`; IoError if the file is shorter (it shrank since it was
  /// opened).
  void read(uint64_t offset, void* bytes, size_t count) const;

 private:
  std::filesystem::path path_;
  FileHandle file_;
  uint64_t size_ = 0;
};

/// Whether something of this name exists; IoError if that cannot be told.
bool file_exists(const std::filesystem::path& path);

/// The whole content; InputError if the file is longer than `max_bytes`.
std::string read_file(const std::filesystem::path& path, size_t max_bytes);

/// A file in the making, under the name ".NAME.tmp" beside its place. `commit` puts it there; without it (an
/// exception on the way) the temporary is removed and the old file stays. One writer at a time per path.
class AtomicFile {
 public:
  /// IoError if the folder does not exist or cannot be written, or if `path` is a folder or a device.
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Flushes the content, renames, flushes the folder. After an error in the very last step the new file is
  /// in place and whole, but may not outlast a power failure.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  FileHandle file_;
  bool committed_ = false;
};

/// Writes a whole file at once through AtomicFile.
void write_file(const std::filesystem::path& path, std::string_view content);

/// A log that only grows at its end; each `append` is there whole or not at all.
class AppendFile {
 public:
  /// Cuts the file to its first `keep` bytes (0 starts anew; a file that does not exist has 0 bytes) and goes
  /// on behind them. InputError if the file is shorter than `keep`.
  AppendFile(std::filesystem::path path, uint64_t keep);

  const std::filesystem::path& path() const { return path_; }
  /// Bytes in the file: what to pass as `keep` to continue from here.
  uint64_t size() const { return size_; }
  /// Adds `text` and hands it to the system, so that it outlasts the program. On IoError it is taken back.
  void append(std::string_view text);
  /// Waits until everything is on the disk, so that it outlasts a power failure. Call it before
  /// a checkpoint is written that counts on the file.
  void flush();

 private:
  std::filesystem::path path_;
  FileHandle file_;
  uint64_t size_ = 0;
};

}  // namespace vmoe
