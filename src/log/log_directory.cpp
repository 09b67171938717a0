#include "log/log_directory.h"

#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/logging.h"

namespace storage {
namespace {

std::string_view advice(const std::exception& error) {
  const auto* failed_call = dynamic_cast<const std::system_error*>(&error);
  const int number = failed_call == nullptr ? 0 : failed_call->code().value();
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    return "There is no room left: make some, then restart the broker. What was acknowledged is there.";
  }
  return "Once the directory works again, restart the broker.";
}

}  // namespace

void LogDirectory::fail(const std::exception& error) {
  if (offline_.exchange(true, std::memory_order_acq_rel)) return;
  base::log_error("kafka.server.LogDirFailureChannel", "Stopping serving logs in dir {}: {}. {}", path_, error.what(),
                  advice(error));
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
