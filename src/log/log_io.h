// For the .cpp files of Log only: what every public function does about failed file calls.
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

}  // namespace storage
