#include "base/faulty_file_system.h"

#include <atomic>
#include <mutex>
#include <system_error>
#include <utility>

namespace base {

struct FaultyFileSystem::Plan {
  mutable std::mutex mutex;
  Fault fault;
  std::uint64_t calls = 0;
  bool met = false;
  std::atomic<bool> cold = false;
  std::function<void()> before_sync, before_remove, before_read;
  std::function<void(std::string_view, const std::string&)> before_change;

  void wait_in(const std::function<void()>& which) const {
    std::function<void()> wait;
    {
      std::lock_guard lock(mutex);
      wait = which;
    }
    if (wait) wait();
  }
  void wait_to_change(std::string_view operation, const std::string& path) const {
    std::function<void(std::string_view, const std::string&)> wait;
    {
      std::lock_guard lock(mutex);
      wait = before_change;
    }
    if (wait) wait(operation, path);
  }
  // Whether this call is to fail.
  bool step(bool changes) {
    std::lock_guard lock(mutex);
    if (fault.changes_only && !changes) return false;
    ++calls;
    bool fails = fault.call != 0 && (calls == fault.call || (fault.persistent && calls > fault.call));
    met = met || fails;
    return fails;
  }
  [[noreturn]] void fail(const char* operation, const std::string& path) const {
    throw std::system_error(fault.error, std::generic_category(), std::string(operation) + " " + path);
  }
  void pass_or_fail(const char* operation, const std::string& path, bool changes) {
    if (changes) wait_to_change(operation, path);
    if (step(changes)) fail(operation, path);
  }
};

class FaultyFileSystem::OpenFile final : public File {
 public:
  OpenFile(std::unique_ptr<File> inner, std::shared_ptr<Plan> plan, std::string path)
      : inner_(std::move(inner)), plan_(std::move(plan)), path_(std::move(path)) {}

  std::size_t read_at(std::uint64_t position, MutableByteView into) const override {
    plan_->wait_in(plan_->before_read);
    plan_->pass_or_fail("read", path_, false);
    return inner_->read_at(position, into);
  }
  void write_at(std::uint64_t position, ByteView bytes) override {
    plan_->wait_to_change("write", path_);
    if (plan_->step(true)) {
      if (plan_->fault.half_written) inner_->write_at(position, bytes.first(bytes.size() / 2));
      plan_->fail("write", path_);
    }
    inner_->write_at(position, bytes);
  }
  void truncate(std::uint64_t size) override {
    plan_->pass_or_fail("truncate", path_, true);
    inner_->truncate(size);
  }
  void allocate(std::uint64_t size) override {
    plan_->pass_or_fail("allocate", path_, true);
    inner_->allocate(size);
  }
  std::uint64_t size() const override {
    plan_->pass_or_fail("stat", path_, false);
    return inner_->size();
  }
  void sync() override {
    plan_->wait_in(plan_->before_sync);
    plan_->pass_or_fail("sync", path_, true);
    inner_->sync();
  }
  void sync_file_system() override {
    plan_->pass_or_fail("sync the file system of", path_, true);
    inner_->sync_file_system();
  }
  void start_writing_back(std::uint64_t position, std::uint64_t length) override {
    inner_->start_writing_back(position, length);
  }
  int native_handle() const override { return inner_->native_handle(); }
  bool is_resident(std::uint64_t position, std::size_t length) const override {
    return !plan_->cold && inner_->is_resident(position, length);
  }

 private:
  std::unique_ptr<File> inner_;
  std::shared_ptr<Plan> plan_;
  std::string path_;
};

FaultyFileSystem::FaultyFileSystem(FileSystem& inner) : inner_(inner), plan_(std::make_shared<Plan>()) {}

void FaultyFileSystem::set_fault(const Fault& fault) {
  std::lock_guard lock(plan_->mutex);
  plan_->fault = fault;
  plan_->calls = 0;
  plan_->met = false;
}

std::uint64_t FaultyFileSystem::calls() const {
  std::lock_guard lock(plan_->mutex);
  return plan_->calls;
}

void FaultyFileSystem::set_before_sync(std::function<void()> before_sync) {
  std::lock_guard lock(plan_->mutex);
  plan_->before_sync = std::move(before_sync);
}
void FaultyFileSystem::set_before_remove(std::function<void()> before_remove) {
  std::lock_guard lock(plan_->mutex);
  plan_->before_remove = std::move(before_remove);
}

void FaultyFileSystem::set_before_change(std::function<void(std::string_view, const std::string&)> before_change) {
  std::lock_guard lock(plan_->mutex);
  plan_->before_change = std::move(before_change);
}

void FaultyFileSystem::set_before_read(std::function<void()> before_read) {
  std::lock_guard lock(plan_->mutex);
  plan_->before_read = std::move(before_read);
}

void FaultyFileSystem::set_cold(bool cold) { plan_->cold = cold; }

bool FaultyFileSystem::fault_met() const {
  std::lock_guard lock(plan_->mutex);
  return plan_->met;
}

std::unique_ptr<File> FaultyFileSystem::open(const std::string& path, OpenMode mode) {
  plan_->pass_or_fail("open", path, mode == OpenMode::create);
  return std::make_unique<OpenFile>(inner_.open(path, mode), plan_, path);
}

bool FaultyFileSystem::exists(const std::string& path) {
  plan_->pass_or_fail("stat", path, false);
  return inner_.exists(path);
}

FileInfo FaultyFileSystem::info(const std::string& path) {
  plan_->pass_or_fail("stat", path, false);
  return inner_.info(path);
}

std::vector<std::string> FaultyFileSystem::list(const std::string& directory) {
  plan_->pass_or_fail("list", directory, false);
  return inner_.list(directory);
}

void FaultyFileSystem::create_directories(const std::string& path) {
  plan_->pass_or_fail("create directory", path, true);
  inner_.create_directories(path);
}

void FaultyFileSystem::remove(const std::string& path) {
  plan_->wait_in(plan_->before_remove);
  plan_->pass_or_fail("remove", path, true);
  inner_.remove(path);
}

void FaultyFileSystem::remove_all(const std::string& path) {
  plan_->pass_or_fail("remove", path, true);
  inner_.remove_all(path);
}

void FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  plan_->pass_or_fail("rename", from, true);
  inner_.rename(from, to);
}

void FaultyFileSystem::set_modified_ms(const std::string& path, std::int64_t modified_ms) {
  plan_->pass_or_fail("set time of", path, true);
  inner_.set_modified_ms(path, modified_ms);
}

void FaultyFileSystem::sync_directory(const std::string& path) {
  plan_->pass_or_fail("sync directory", path, true);
  inner_.sync_directory(path);
}

std::unique_ptr<File> FaultyFileSystem::try_lock(const std::string& path) {
  plan_->pass_or_fail("lock", path, true);
  return inner_.try_lock(path);
}

}  // namespace base
