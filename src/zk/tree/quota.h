// Text of the quota znodes: "count=N,bytes=N" in the stats; in the limits also, after "=;", countHardLimit and
// byteHardLimit. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zk::tree {

struct QuotaStats {
  std::int64_t count = 0;
  std::int64_t bytes = 0;
};

// -1: no such limit.
struct QuotaLimits {
  std::int64_t count = -1, bytes = -1, count_hard = -1, bytes_hard = -1;
};

// A write that goes beyond a limit. Only a hard one refuses it.
struct QuotaExceeded {
  std::string limited_path;
  std::string path;
  bool of_bytes = false;
  bool hard = false;
  std::int64_t would_be = 0, limit = 0;
};

std::string format_quota(const QuotaStats& stats);
// What doesn't parse counts as nothing.
QuotaStats parse_quota(std::string_view text);
QuotaLimits parse_quota_limits(std::string_view text);

}  // namespace zk::tree
