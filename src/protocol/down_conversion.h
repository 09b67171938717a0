// Records for clients older than Kafka 0.11, which read formats 0 and 1 only: batches of magic 2 are written anew in
// the older format, with the codec they had; headers, producer ids and control batches have no place there. What is old
// enough stays as it is. Plain function; memory is bounded by what is given, one batch, and `unpacked_bytes_max` for it.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "protocol/error.h"

namespace protocol {

// What Kafka answers to a fetch that read `batches`, which may end in the middle of one (KIP-283, as measured from
// 3.9.2): as many bytes as were read, or as the first converted batch has if that is more. What doesn't fit is cut off,
// if need be in the middle of a message; what is missing is filled with the beginning of a message that claims to go on
// beyond the end, which consumers skip. If there is nothing to convert, 12 such bytes; if there is no whole batch,
// nothing.
//
// Uncompressed records before `first_offset` are left out. UNSUPPORTED_COMPRESSION_TYPE for zstd and CORRUPT_MESSAGE for
// what can't be read, if nothing comes before it; else the answer ends there, and the next fetch gets the error.
Result<base::Bytes> down_convert(base::ByteView batches, std::int8_t to_magic, std::int64_t first_offset,
                                 std::size_t unpacked_bytes_max = std::size_t{256} << 20);

}  // namespace protocol
