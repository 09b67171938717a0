// For the .cpp files of Log only: what every public function does about failed file calls, how some of them keep the
// cleaner away, and how those that aren't in a hurry read files under the lock that others wait for.
#pragma once

#include <algorithm>
#include <system_error>
#include <vector>

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
// is done again from its beginning, so that it mustn't change anything before it has read all. That may be often: a log has
// many files.
template <class Work>
auto reading_aside(Work work) {
  std::vector<base::WouldWait> read;
  while (true) {
    try {
      base::WithoutWaiting scope;
      return work();
    } catch (const base::WouldWait& missing) {
      // Read, and yet not in memory: a file system that keeps nothing there, or a machine that is so short of it that what was
      // read pushes out what was read before. It could go on for ever.
      const auto is_missing = [&](const base::WouldWait& place) { return place.is_same_place(missing); };
      if (std::any_of(read.begin(), read.end(), is_missing)) break;
      missing.read();
      read.push_back(missing);
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
