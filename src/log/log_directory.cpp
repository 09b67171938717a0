#include "log/log_directory.h"

#include "base/logging.h"

namespace storage {

void LogDirectory::fail(const std::exception& error) {
  if (offline_.exchange(true, std::memory_order_acq_rel)) return;
  base::log_error("kafka.server.LogDirFailureChannel", "Stopping serving logs in dir {}: {}", path_, error.what());
  std::function<void(const std::string&)> callback;
  {
    std::lock_guard lock(mutex_);
    callback = callback_;
  }
  if (callback) callback(path_);
}

void LogDirectory::on_failure(std::function<void(const std::string&)> callback) {
  std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
}

}  // namespace storage
