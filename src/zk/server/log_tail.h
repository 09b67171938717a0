// What a log holds where a record should be and isn't whole: the torn end that a killed server or lost power leaves, or
// damage. Only a torn end may be skipped: behind damage there may be transactions that were answered. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace zk::server {

// `tail` are the bytes from the record's start to the last one in the file that isn't zero, `offset` is where it
// starts in the file. Returns why it is damage; nothing if it is a torn end:
// - a record of which only the first part is there, and zeros or the end of the file behind it;
// - a record of which a whole page was never written. What was written with it, but not synced, may be whole behind it.
// Neither is one that a single flipped bit explains. Zeros in a record's data aren't taken for a page when they begin or end
// elsewhere and a whole record follows: then the end is refused, though once in a while it may have been torn off.
std::optional<std::string> damage_in_tail(base::ByteView tail, std::uint64_t offset);

}  // namespace zk::server
