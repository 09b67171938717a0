#include "broker/coordinator/load_progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace broker::coordinator {
namespace {

constexpr std::int64_t kLineEveryMs = 2'000;

}  // namespace

LoadProgress::LoadProgress(const base::Clock& clock, std::string partition, std::int64_t begin, std::int64_t end)
    : clock_(clock),
      partition_(std::move(partition)),
      begin_(begin),
      end_(end),
      began_ms_(clock.monotonic_ms()),
      last_line_ms_(began_ms_) {}

std::optional<std::string> LoadProgress::line_due(std::int64_t offset) {
  const std::int64_t now_ms = clock_.monotonic_ms();
  if (now_ms - last_line_ms_ < kLineEveryMs || offset >= end_) return std::nullopt;
  last_line_ms_ = now_ms;
  const std::int64_t done = std::max<std::int64_t>(offset - begin_, 0);
  const std::int64_t all = end_ - begin_;
  const double share = static_cast<double>(done) / static_cast<double>(all);
  return fmt::format("Loading {}: {:.0f}% of {} offsets, {} left, {} a second", partition_, share * 100, all, all - done,
                     done * 1000 / (now_ms - began_ms_));
}

}  // namespace broker::coordinator
