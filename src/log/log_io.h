// For the .cpp files of Log only: what every public function does about failed file calls, and how some of them keep the
// cleaner away.
#pragma once

#include <system_error>

#include "log/log.h"

namespace storage {

// Runs it; a failure takes the directory offline and goes on up. The work must have released its lock by then.
template <class Work>
auto Log::watching_for_failure(Work work) {
  try {
    return work();
  } catch (const LogClosed&) {
    throw;
  } catch (const std::system_error& error) {
    log_directory_->fail(error);
    throw;
  }
}

// Ends a cleaning that is going on, soon, and keeps the next one from beginning.
class Log::WithoutCleaning {
 public:
  explicit WithoutCleaning(Log& log) : log_(log) {
    ++log_.cleaning_unwanted_;
    log_.cleaning_mutex_.lock();
  }
  ~WithoutCleaning() {
    --log_.cleaning_unwanted_;
    log_.cleaning_mutex_.unlock();
  }
  WithoutCleaning(const WithoutCleaning&) = delete;
  WithoutCleaning& operator=(const WithoutCleaning&) = delete;

 private:
  Log& log_;
};

}  // namespace storage
