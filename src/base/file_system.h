// All file access goes through here: the real file system, one in memory, and one that injects faults. Paths are
// absolute or relative to the working directory. Failures throw std::system_error, whose text names the operation
// and the path; the caller decides whether that takes a log dir offline. Every method is thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace base {

class File {
 public:
  virtual ~File() = default;
  // Returns the bytes read: fewer than asked for at the end of the file only.
  virtual std::size_t read_at(std::uint64_t position, MutableByteView into) const = 0;
  virtual void write_at(std::uint64_t position, ByteView bytes) = 0;
  virtual void truncate(std::uint64_t size) = 0;       // grows with zeros too
  virtual void allocate(std::uint64_t size) = 0;       // reserves the space and sets the size
  virtual std::uint64_t size() const = 0;
  virtual void sync() = 0;                             // fdatasync; a failure is final, never retried
  // Everything written to the file system that holds this file, names too, is on the disk after it: cheaper than syncing
  // thousands of files. Fails if anything was lost on that way since this file was opened.
  virtual void sync_file_system() { sync(); }
  // Begins to write this range to the disk and doesn't wait for it, so that a later sync() has less to do. Promises
  // nothing.
  virtual void start_writing_back(std::uint64_t position, std::uint64_t length) { (void)position, (void)length; }
  virtual int native_handle() const { return -1; }     // for sendfile; -1: read_at is the only way
  // Whether reading this range now would not wait for a disk.
  virtual bool is_resident(std::uint64_t position, std::size_t length) const { return (void)position, (void)length, true; }
};

enum class OpenMode { read, read_write, create };  // create: read_write, made if missing, kept if there

struct FileInfo {
  bool is_directory = false;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual std::unique_ptr<File> open(const std::string& path, OpenMode mode) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual FileInfo info(const std::string& path) = 0;
  virtual std::vector<std::string> list(const std::string& directory) = 0;  // names, sorted, without . and ..
  virtual void create_directories(const std::string& path) = 0;
  virtual void remove(const std::string& path) = 0;                         // a file or an empty directory; missing is fine
  virtual void remove_all(const std::string& path) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;  // atomic, replaces
  virtual void set_modified_ms(const std::string& path, std::int64_t modified_ms) = 0;
  virtual void sync_directory(const std::string& path) = 0;
  // An exclusive POSIX record lock on the whole file, as Java's FileChannel.tryLock(); made if missing, held until the
  // object goes. Null if another process holds it.
  virtual std::unique_ptr<File> try_lock(const std::string& path) = 0;
};

FileSystem& real_file_system();

// Whole-file helpers. write_file_atomically: to `path`.tmp, sync, rename, sync the directory.
Bytes read_file(FileSystem& files, const std::string& path);
void write_file_atomically(FileSystem& files, const std::string& path, ByteView bytes);
std::string parent_directory(const std::string& path);

}  // namespace base
