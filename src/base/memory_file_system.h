// A file system in memory for tests and simulation. It knows what was synced: lose_power() leaves what a machine
// without power may find again. File contents survive from the last sync() of the file; names (files made, renamed,
// removed) from the last sync_directory() of their directory. Stricter than ext4 on purpose. Thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file_system.h"

namespace base {

// What becomes of bytes written but not synced.
enum class UnsyncedBytes {
  lost,       // the file is as of its last sync
  zeroed,     // the file has its new size, but the unsynced growth reads as zeros
  torn,       // half of the unsynced growth is there
  scattered,  // the file has its new size, and each page of 4 KiB is as of its last sync or as written, by chance
  kept,       // all there, as after the crash of the process alone
};

// What becomes of names whose directory wasn't synced since they were made, renamed or removed.
enum class UnsyncedNames {
  lost,  // the directory is as of its last sync
  kept,  // a journal may have them on disk before the bytes of the files: what a rename put there can be empty
};

class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  // Files opened before are cut off: they still work, on bytes that nobody else sees. Locks are released. `seed` is of the chance.
  void lose_power(UnsyncedBytes unsynced = UnsyncedBytes::lost, UnsyncedNames names = UnsyncedNames::lost, std::uint64_t seed = 0);
  // Everything is as if synced.
  void sync_everything();
  void set_now_ms(std::int64_t now_ms);  // the modification time of what is written from now on

  std::unique_ptr<File> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  FileInfo info(const std::string& path) override;
  std::vector<std::string> list(const std::string& directory) override;
  void create_directories(const std::string& path) override;
  void remove(const std::string& path) override;
  void remove_all(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void set_modified_ms(const std::string& path, std::int64_t modified_ms) override;
  void sync_directory(const std::string& path) override;
  std::unique_ptr<File> try_lock(const std::string& path) override;

 private:
  struct Node;
  class OpenFile;
  using NodePointer = std::shared_ptr<Node>;
  struct Shared {
    std::mutex mutex;
    std::int64_t now_ms = 1'700'000'000'000;
    std::function<void()> sync_everything;  // of the file system, while it lives; with the mutex held
  };

  NodePointer find(const std::string& path) const;
  NodePointer find_or_fail(const char* operation, const std::string& path) const;
  NodePointer parent_or_fail(const char* operation, const std::string& path) const;
  static NodePointer after_power_loss(const Node& node, UnsyncedBytes unsynced, UnsyncedNames names, std::uint64_t& seed);
  static void mark_synced(Node& node);

  std::shared_ptr<Shared> shared_;
  NodePointer root_;
};

}  // namespace base
