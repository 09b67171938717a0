// One entry of log.dirs while the broker runs: whether it still works. Shared by the manager and its logs; thread-safe.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <string>

namespace storage {

class LogDirectory {
 public:
  explicit LogDirectory(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  bool offline() const { return offline_.load(std::memory_order_acquire); }
  // The first failure takes it offline for good, is logged, and calls back. Hold no lock.
  void fail(const std::exception& error);
  void on_failure(std::function<void(const std::string& path)> callback);

 private:
  const std::string path_;
  std::atomic<bool> offline_ = false;
  std::mutex mutex_;
  std::function<void(const std::string& path)> callback_;
};

}  // namespace storage
