// Entries of message formats 0 and 1, which producers before 0.11 send and old segments hold. Each entry stands for a
// batch; a compressed one wraps a message set. Errors as in record.h.
#pragma once

#include "protocol/record.h"

namespace protocol {

// Key, value, timestamp (-1 for magic 0) and attributes of one whole entry, wrapper or not.
void read_legacy_entry(base::ByteView entry, Record& record);

// The message set inside of a compressed entry.
base::Bytes unpack_legacy_wrapper(base::ByteView entry, const BatchHeader& header, std::size_t unpacked_bytes_max);

// Writes an entry of magic 0 or 1; the timestamp is for magic 1 only.
void append_legacy_entry(base::Bytes& to, std::int8_t magic, std::int64_t offset, std::int8_t attributes,
                         std::int64_t timestamp, const std::optional<base::ByteView>& key,
                         const std::optional<base::ByteView>& value);
// Compresses a message set and writes the entry that wraps it. `attributes` without the codec.
void append_legacy_wrapper(base::Bytes& to, std::int8_t magic, base::Codec codec, base::ByteView inner,
                           std::int64_t last_offset, std::int8_t attributes, std::int64_t max_timestamp);

}  // namespace protocol
