#include "log/recovery_progress.h"

#include <algorithm>

#include "base/logging.h"

namespace storage {
namespace {

constexpr std::int64_t kLineEveryMs = 2'000;

void log_if_due(RecoveryProgress& progress) {
  if (auto line = progress.line_due()) base::log_info("kafka.log.LogManager", "{}", *line);
}

}  // namespace

RecoveryProgress::RecoveryProgress(const base::Clock& clock, std::string directory, std::size_t partitions)
    : clock_(clock),
      directory_(std::move(directory)),
      partitions_(partitions),
      began_ms_(clock.monotonic_ms()),
      last_line_ms_(began_ms_) {}

void RecoveryProgress::segment_recovered(std::uint64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    ++segments_;
    bytes_ += bytes;
  }
  log_if_due(*this);
}

void RecoveryProgress::partition_loaded() {
  {
    std::lock_guard lock(mutex_);
    ++loaded_;
  }
  log_if_due(*this);
}

std::optional<std::string> RecoveryProgress::line_due() {
  std::lock_guard lock(mutex_);
  const std::int64_t now_ms = clock_.monotonic_ms();
  if (now_ms - last_line_ms_ < kLineEveryMs || loaded_ >= partitions_) return std::nullopt;
  last_line_ms_ = now_ms;
  const double seconds = static_cast<double>(std::max<std::int64_t>(now_ms - began_ms_, 1)) / 1000;
  std::string line =
      fmt::format("Loading {}: {}% of {} partitions, {} left, {:.0f} a second", directory_, loaded_ * 100 / partitions_,
                  partitions_, partitions_ - loaded_, static_cast<double>(loaded_) / seconds);
  if (segments_ > 0) {
    line += fmt::format("; {} segments recovered, {:.0f} MB/s", segments_, static_cast<double>(bytes_) / 1e6 / seconds);
  }
  return line;
}

}  // namespace storage
