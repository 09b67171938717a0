// Checksums: CRC32C of record batches and producer snapshots (by hardware, ISA-L), CRC32 (IEEE) of old message
// formats and znode digests, Adler32 of ZooKeeper's files. Thread-safe.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace base {

std::uint32_t crc32c(ByteView bytes, std::uint32_t previous = 0);
std::uint32_t crc32(ByteView bytes, std::uint32_t previous = 0);
std::uint32_t adler32(ByteView bytes, std::uint32_t previous = 1);

}  // namespace base
