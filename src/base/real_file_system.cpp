// The FileSystem of the machine: Linux system calls, each error with the operation and the path in its text.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/file_system.h"
#include "base/without_waiting.h"

namespace base {
namespace {

[[noreturn]] void fail(const char* operation, const std::string& path, int error = errno) {
  throw std::system_error(error, std::generic_category(), std::string(operation) + " " + path);
}

// Pages are read ahead in pieces of this size at least, so that one resident byte stands for its piece where nothing tells
// how many pages are there.
constexpr std::uint64_t kResidencyStep = 64 * 1024;
// Where all are there, some may be on their way from the disk still; it brings more than this at once.
constexpr std::uint64_t kArrivalStep = 256 * 1024;

// How many pages of the range are in the page cache, whether they have been read yet or not; nothing if the kernel (before
// 6.5) can't tell, or won't. A number that the headers of older C libraries don't have.
constexpr long kCachestatCall = 451;
struct CachestatRange {
  std::uint64_t position = 0;
  std::uint64_t length = 0;
};
struct Cachestat {
  std::uint64_t cached = 0, dirty = 0, written_back = 0, evicted = 0, recently_evicted = 0;
};

std::optional<std::uint64_t> cached_pages(int descriptor, std::uint64_t position, std::uint64_t length) {
  static std::atomic<bool> unknown = false;
  if (unknown.load(std::memory_order_relaxed)) return std::nullopt;
  CachestatRange range{position, length};
  Cachestat found;
  if (::syscall(kCachestatCall, descriptor, &range, &found, 0U) == 0) return found.cached;
  if (errno == ENOSYS) unknown = true;
  return std::nullopt;
}

class RealFile : public File {
 public:
  RealFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~RealFile() override { ::close(descriptor_); }
  RealFile(const RealFile&) = delete;
  RealFile& operator=(const RealFile&) = delete;

  std::size_t read_at(std::uint64_t position, MutableByteView into) const override {
    std::size_t done = 0;
    while (done < into.size()) {
      ssize_t got = read_some(position + done, into.subspan(done));
      if (got < 0) {
        if (errno == EINTR) continue;
        fail("read", path_);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  void write_at(std::uint64_t position, ByteView bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      ssize_t put =
          ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(position + done));
      if (put < 0) {
        if (errno == EINTR) continue;
        fail("write", path_);
      }
      done += static_cast<std::size_t>(put);
    }
  }

  void truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail("truncate", path_);
  }

  void allocate(std::uint64_t size) override {
    int error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
    if (error != 0) fail("allocate", path_, error);
  }

  std::uint64_t size() const override {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) fail("stat", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

  void sync() override {
    if (::fdatasync(descriptor_) != 0) fail("sync", path_);
  }

  void sync_file_system() override {
    if (::syncfs(descriptor_) != 0) fail("sync the file system of", path_);
  }

  void start_writing_back(std::uint64_t position, std::uint64_t length) override {
    ::sync_file_range(descriptor_, static_cast<off_t>(position), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
  }

  int native_handle() const override { return descriptor_; }

  bool is_resident(std::uint64_t position, std::size_t length) const override {
    if (length == 0) return true;
    const Probe first = probe(position);
    if (first != Probe::there) return first == Probe::unknown;
    const std::uint64_t last = position + length - 1;
    std::uint64_t step = kResidencyStep;
    if (length > kResidencyStep) {  // else there is little to save
      static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
      const auto cached = cached_pages(descriptor_, position, length);
      // None, where a byte was there just now, is the count of a file that passes its reads on to another one.
      if (cached && *cached > 0) {
        if (*cached < last / page - position / page + 1) return false;
        step = kArrivalStep;
      }
    }
    for (std::uint64_t at = position + step; at < last; at += step) {
      if (probe(at) == Probe::missing) return false;
    }
    return probe(last) != Probe::missing;
  }

 private:
  ssize_t read_some(std::uint64_t position, MutableByteView into) const {
    if (WithoutWaiting::is_active()) {
      iovec part{into.data(), into.size()};
      const ssize_t got = ::preadv2(descriptor_, &part, 1, static_cast<off_t>(position), RWF_NOWAIT);
      if (got >= 0) return got;
      if (errno == EAGAIN) throw WouldWait(path_, position, into.size());
      // Anything else shows below, or the file system can't tell.
    }
    return ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(position));
  }

  // One byte. Unknown where the file system can't tell, which counts as resident: overlayfs, for one, whose files have no
  // pages of their own to be counted either.
  enum class Probe { there, missing, unknown };
  Probe probe(std::uint64_t position) const {
    if (cannot_tell_.load(std::memory_order_relaxed)) return Probe::unknown;
    std::uint8_t byte = 0;
    iovec part{&byte, 1};
    if (::preadv2(descriptor_, &part, 1, static_cast<off_t>(position), RWF_NOWAIT) >= 0) return Probe::there;
    if (errno == EAGAIN) return Probe::missing;
    if (errno == EOPNOTSUPP) cannot_tell_.store(true, std::memory_order_relaxed);
    return Probe::unknown;
  }

  int descriptor_;
  std::string path_;
  mutable std::atomic<bool> cannot_tell_ = false;  // for good
};

// POSIX record locks don't exclude the owning process itself; this does.
class LockRegistry {
 public:
  using Key = std::pair<dev_t, ino_t>;
  bool insert(Key key) {
    std::lock_guard lock(mutex_);
    return held_.insert(key).second;
  }
  void erase(Key key) {
    std::lock_guard lock(mutex_);
    held_.erase(key);
  }

 private:
  std::mutex mutex_;
  std::set<Key> held_;
};

LockRegistry& lock_registry() {
  static LockRegistry registry;
  return registry;
}

class LockedFile final : public RealFile {
 public:
  LockedFile(int descriptor, std::string path, LockRegistry::Key key)
      : RealFile(descriptor, std::move(path)), key_(key) {}
  ~LockedFile() override { lock_registry().erase(key_); }

 private:
  LockRegistry::Key key_;
};

int open_descriptor(const std::string& path, int flags) {
  while (true) {
    int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (descriptor >= 0) return descriptor;
    if (errno != EINTR) fail("open", path);
  }
}

class RealFileSystem final : public FileSystem {
 public:
  std::unique_ptr<File> open(const std::string& path, OpenMode mode) override {
    int flags = mode == OpenMode::read ? O_RDONLY : O_RDWR;
    if (mode == OpenMode::create) flags |= O_CREAT;
    return std::make_unique<RealFile>(open_descriptor(path, flags), path);
  }

  bool exists(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    fail("stat", path);
  }

  FileInfo info(const std::string& path) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) fail("stat", path);
    FileInfo info;
    info.is_directory = S_ISDIR(status.st_mode);
    info.size = static_cast<std::uint64_t>(status.st_size);
    info.modified_ms = status.st_mtim.tv_sec * 1000 + status.st_mtim.tv_nsec / 1'000'000;
    return info;
  }

  std::vector<std::string> list(const std::string& directory) override {
    std::unique_ptr<DIR, int (*)(DIR*)> open_directory(::opendir(directory.c_str()), ::closedir);
    if (!open_directory) fail("list", directory);
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(open_directory.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) fail("list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  void create_directories(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) fail("create directory", path, error.value());
  }

  void remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0 && errno != ENOENT) fail("remove", path);
  }

  void remove_all(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error && error != std::errc::no_such_file_or_directory) fail("remove", path, error.value());
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("rename", from + " to " + to);
  }

  void set_modified_ms(const std::string& path, std::int64_t modified_ms) override {
    timespec times[2] = {};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = modified_ms / 1000;
    times[1].tv_nsec = modified_ms % 1000 * 1'000'000;
    if (::utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) fail("set time of", path);
  }

  void sync_directory(const std::string& path) override {
    int descriptor = open_descriptor(path, O_RDONLY | O_DIRECTORY);
    int result = ::fsync(descriptor);
    int error = errno;
    ::close(descriptor);
    if (result != 0) fail("sync directory", path, error);
  }

  std::unique_ptr<File> try_lock(const std::string& path) override {
    int descriptor = open_descriptor(path, O_RDWR | O_CREAT);
    struct stat status {};
    if (::fstat(descriptor, &status) != 0) {
      int error = errno;
      ::close(descriptor);
      fail("stat", path, error);
    }
    LockRegistry::Key key{status.st_dev, status.st_ino};
    if (!lock_registry().insert(key)) {
      // Closing any descriptor of a file drops this process's record locks on it, so this one stays open for ever.
      return nullptr;
    }
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    if (::fcntl(descriptor, F_SETLK, &range) == 0) return std::make_unique<LockedFile>(descriptor, path, key);
    int error = errno;
    lock_registry().erase(key);
    ::close(descriptor);
    if (error == EACCES || error == EAGAIN) return nullptr;
    fail("lock", path, error);
  }
};

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem files;
  return files;
}

}  // namespace base
