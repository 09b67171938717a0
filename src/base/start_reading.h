// Asks the disk for what will be read soon, where that lies too far apart for the system to guess it.
#pragma once

#include <cstdint>

#include "base/file_system.h"

namespace base {

// Begins to read this range into the page cache and doesn't wait for it. Promises nothing. Thread-safe.
void start_reading(const File& file, std::uint64_t position, std::uint64_t length);

}  // namespace base
