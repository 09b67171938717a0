// Passes every call on to another file system, and fails those it is told to: the n-th call from now, once or from
// then on. Calls are counted over the file system and all files opened by it; destructors don't count. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"

namespace base {

struct Fault {
  std::uint64_t call = 0;     // which call fails, counted from 1; 0: none
  int error = 5;              // errno: EIO, ENOSPC, …
  bool persistent = false;    // all later calls fail too
  bool half_written = false;  // a write_at that fails has written the first half of its bytes
  bool changes_only = false;  // calls that only read aren't counted and don't fail
};

class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& inner);

  void set_fault(const Fault& fault);  // counting starts anew
  std::uint64_t calls() const;         // since set_fault
  bool fault_met() const;
  // Called before each sync() of a file, on the thread that syncs; a slow disk waits in it.
  void set_before_sync(std::function<void()> before_sync);
  // The same before each read_at(), in which it may throw; and before each remove() of a file.
  void set_before_read(std::function<void()> before_read);
  void set_before_remove(std::function<void()> before_remove);
  // From now on nothing that its files hold is in memory, as far as is_resident() tells; or what the other file system says again.
  void set_cold(bool cold);
  // And before each call that changes something, with its name as in an error's text: "write", "sync", "rename", …
  void set_before_change(std::function<void(std::string_view operation, const std::string& path)> before_change);

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
  class OpenFile;
  struct Plan;

  FileSystem& inner_;
  std::shared_ptr<Plan> plan_;
};

}  // namespace base
