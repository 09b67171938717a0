// Entries of message formats 0 and 1, which producers before 0.11 send and old segments hold. Each entry stands for a
// batch; a compressed one wraps a message set. Errors as in record.h.
#pragma once

#include "protocol/record.h"

namespace protocol {

// Key, value, timestamp (-1 for magic 0) and attributes of one whole entry, wrapper or not.
void read_legacy_entry(base::ByteView entry, Record& record);

// The message set inside of a compressed entry.
base::Bytes unpack_legacy_wrapper(base::ByteView entry, const BatchHeader& header, std::size_t unpacked_bytes_max);

}  // namespace protocol
