// How far the opening of one log directory's partitions has come, told in the log every few seconds. Shared by the
// threads that open them; thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"

namespace storage {

class RecoveryProgress {
 public:
  RecoveryProgress(const base::Clock& clock, std::string directory, std::size_t partitions);

  // Each logs a line if the last one is long enough ago.
  void segment_recovered(std::uint64_t bytes);
  void partition_loaded();

  // The line that is due now, if one is; the next is due a few seconds later.
  //   Loading /data: 42% of 1000 partitions, 580 left, 14 a second; 120 segments recovered, 310 MB/s
  std::optional<std::string> line_due();

 private:
  const base::Clock& clock_;
  const std::string directory_;
  const std::size_t partitions_;
  const std::int64_t began_ms_;
  std::mutex mutex_;
  std::int64_t last_line_ms_;
  std::size_t loaded_ = 0;
  std::size_t segments_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace storage
