// Reading only what is in memory, for threads that must not wait for a disk. Thread-safe.
#pragma once

#include <cstdint>

#include "base/file_system.h"

namespace base {

// Fills `into`, or answers false if that would wait for the disk, can't be told, or fails: whoever then reads by
// File::read_at, where waiting is allowed, sees the failure. `into` holds nothing of use after false.
bool read_if_resident(const File& file, std::uint64_t position, MutableByteView into);

}  // namespace base
