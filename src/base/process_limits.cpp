#include "base/process_limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace base {

void raise_open_files_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

namespace {

int all_but_reserved(rlim_t part) {
  constexpr rlim_t kReservedMin = 16, kReservedMax = 128;
  constexpr int kNone = std::numeric_limits<int>::max();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > rlim_t{kNone}) return kNone;
  const rlim_t reserved = std::clamp(limit.rlim_cur / 16, kReservedMin, kReservedMax);
  return static_cast<int>(limit.rlim_cur - std::min(limit.rlim_cur, reserved / part));
}

}  // namespace

int reserved_descriptors_begin() { return all_but_reserved(1); }
int descriptors_of_files_begin() { return all_but_reserved(2); }

}  // namespace base
