// For the .cpp files of Log only: what every public function does about failed file calls, how some of them keep the
// cleaner away, and how those that aren't in a hurry read files under the lock that others wait for.
#pragma once

#include <optional>
#include <system_error>

#include "base/without_waiting.h"
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

// For work that takes the log's lock and then reads files: what isn't in memory is read with the lock released, and the work
// is done again from its beginning, so that it mustn't change anything before it has read all.
template <class Work>
auto reading_aside(Work work) {
  std::optional<base::WouldWait> last;
  while (true) {
    try {
      base::WithoutWaiting scope;
      return work();
    } catch (const base::WouldWait& missing) {
      // Just read, and yet not in memory: a file system that keeps nothing there, or a machine that is short of it.
      if (last && last->is_same_place(missing)) break;
      missing.read();
      last = missing;
    }
  }
  return work();
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
