// Text of the quota znodes, "count=N,bytes=N". Pure functions.
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

std::string format_quota(const QuotaStats& stats);
// What doesn't parse counts as nothing.
QuotaStats parse_quota(std::string_view text);

}  // namespace zk::tree
