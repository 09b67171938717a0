// Records for clients older than Kafka 0.11, which read formats 0 and 1 only: batches of magic 2 are written anew in
// the older format, with the codec they had; headers, producer ids and control batches have no place there. What is old
// enough stays as it is. Plain function; memory is bounded by what is given and `unpacked_bytes_max` for one batch.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "protocol/error.h"

namespace protocol {

// `batches` may end in the middle of one, which is left out. Uncompressed records before `first_offset` are left out
// too. UNSUPPORTED_COMPRESSION_TYPE for zstd; CORRUPT_MESSAGE for what can't be read.
Result<base::Bytes> down_convert(base::ByteView batches, std::int8_t to_magic, std::int64_t first_offset,
                                 std::size_t unpacked_bytes_max = std::size_t{256} << 20);

}  // namespace protocol
